"""Converts a whole Inception-v3 in both of torch.save's forms with `cldiff weights convert`, and compares features.

    python tools/parity/weights.py target/debug/cldiff

The weights are those of tools/golden/inception.py (by a formula: the published ones need a network connection), in
pytorch-fid's own network and with its `num_batches_tracked`. Compared are mean and covariance of the features of 16 random
images, the program's by `cldiff metric stats`. Exit status 1 if a mean is off by more than 1e-4.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "golden"))
from inception import network  # noqa: E402


def main(program: str) -> None:
    program = str(Path(program).resolve())
    wrapper, inception, _ = network()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 3, 32, 32), dtype=np.uint8)
    with torch.no_grad():
        features = wrapper(torch.from_numpy(pixels).float().div(255))[0][:, :, 0, 0].double().numpy()
    mu, sigma = features.mean(0), np.cov(features, rowvar=False)
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        save_file({"images": pixels}, directory / "images.safetensors")
        for form, zipped in [("legacy", False), ("archive", True)]:
            torch.save(inception.state_dict(), directory / f"{form}.pth", _use_new_zipfile_serialization=zipped)
            run = lambda *arguments: subprocess.run([program, *arguments], cwd=directory, check=True)
            run("weights", "convert", f"{form}.pth", "--out", f"{form}.safetensors")
            weights = load_file(directory / f"{form}.safetensors")
            same = all((inception.state_dict()[name].numpy() == value).all() for name, value in weights.items())
            run("metric", "stats", "images.safetensors", "--weights", f"{form}.safetensors", "--backend", "flex", "--out", "s.safetensors")
            found = load_file(directory / "s.safetensors")
            off = np.abs(found["mu"] - mu).max(), np.abs(found["sigma"] - sigma).max()
            worst = max(worst, off[0] if same else np.inf)
            print(f"{form}: {len(weights)} tensors, the same numbers: {same}; mean off by {off[0]:.1e} of {np.abs(mu).max():.2g}, "
                  f"covariance by {off[1]:.1e} of {np.abs(sigma).max():.2g}")
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
