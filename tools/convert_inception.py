"""Converts the published weights of FID's Inception-v3 into the file that `--features inception --weights` reads.

    python tools/convert_inception.py pt_inception-2015-12-05-6726825d.pth inception.safetensors

The .pth file is a release of pytorch-fid; torch and safetensors are needed here, and nowhere else.
"""

import sys

import torch
from safetensors.torch import save_file

if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    state = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
    kept = {name: value.float().contiguous() for name, value in state.items() if "num_batches_tracked" not in name}
    save_file(kept, sys.argv[2], {"source": "pytorch-fid"})
    print(f"{len(kept)} tensors: {sys.argv[2]}")
