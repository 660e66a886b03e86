"""Writes the fixtures of PyTorch files: one state dict in both of torch.save's forms, and what is in it as safetensors.

    python tools/golden/state_dict.py        # crates/cl-metrics/tests/fixtures/pytorch/

The older form names storages by their address in memory, so that its bytes are others each time.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "crates/cl-metrics/tests/fixtures/pytorch"


def state() -> OrderedDict:
    torch.manual_seed(0)
    module = torch.nn.Sequential(OrderedDict(conv=torch.nn.Conv2d(2, 3, 2, bias=False), bn=torch.nn.BatchNorm2d(3)))
    module(torch.randn(4, 2, 5, 5))
    state = module.state_dict()
    shared = torch.randn(4, 6)
    more = {
        "view.rows": shared[1:3],
        "view.columns": shared[:, 2:5],
        "view.transposed": shared.t(),
        "view.every_other": shared[:, ::2],
        "view.permuted": torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1),
        "tied": state["conv.weight"],
        "parameter": torch.nn.Parameter(torch.randn(2, 1)),
        "double": torch.randn(3, dtype=torch.float64),
        "half": torch.randn(3).half(),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "truth": torch.tensor([True, False]),
        "scalar": torch.tensor(-7),
        "empty": torch.zeros(0, 3),
    }
    state.update(more)
    return state


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    tensors = state()
    torch.save(tensors, OUT / "archive.pth")
    torch.save(tensors, OUT / "legacy.pth", _use_new_zipfile_serialization=False)
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, OUT / "expected.safetensors")
