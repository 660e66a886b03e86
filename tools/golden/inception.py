"""Writes the fixture of FID's Inception-v3: pytorch-fid's network with weights from a formula, on two small images.

    python tools/golden/inception.py                        # crates/cl-metrics/tests/fixtures/inception.safetensors
    python tools/golden/inception.py --weights FILE         # those weights, for trying the program by hand

The weights would be 90 MB; both sides make them: number i of a tensor is a 64-bit hash of i and of the tensor's name
(FNV-1a), its upper 24 bits over 2^24 in [0, 1), spread over the range that keeps activations in size.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from pytorch_fid import inception as port
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

OUT = Path(__file__).resolve().parents[2] / "crates/cl-metrics/tests/fixtures/inception.safetensors"
SIZES = {"square": (3, 32, 32), "grey": (1, 20, 36)}


def fnv(name: str) -> int:
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def uniform(name: str, count: int) -> np.ndarray:
    """splitmix64's mixing of (hash of the name + i)."""
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(fnv(name))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2**24).astype(np.float32)


def value(name: str, shape) -> np.ndarray:
    u = uniform(name, int(np.prod(shape))).reshape(shape)
    if name.endswith("running_var") or name.endswith("bn.weight"):
        return np.float32(0.5) + u
    if len(shape) == 1:
        return np.float32(0.4) * (u - np.float32(0.5))
    bound = np.float32((6.0 / np.prod(shape[1:])) ** 0.5)
    return np.float32(2) * bound * (u - np.float32(0.5))


def network():
    """pytorch-fid's network; it asks for the published weights when it is made, and gets none."""
    empty = mock.patch.object(port, "load_state_dict_from_url", lambda *_, **__: {})
    lenient = torch.nn.Module.load_state_dict
    with empty, mock.patch.object(torch.nn.Module, "load_state_dict", lambda s, d: lenient(s, d, strict=False)):
        inception = port.fid_inception_v3()
        wrapper = port.InceptionV3([3])
    state = {n: torch.from_numpy(value(n, t.shape)) for n, t in inception.state_dict().items() if t.dim() > 0}
    inception.load_state_dict(state, strict=False)
    for block, blocks in zip(wrapper.blocks, split(inception)):
        for mine, theirs in zip(block, blocks):
            mine.load_state_dict(theirs.state_dict())
    return wrapper.eval(), inception.eval(), state


def split(net):
    pool = torch.nn.MaxPool2d(3, 2)
    return [
        [net.Conv2d_1a_3x3, net.Conv2d_2a_3x3, net.Conv2d_2b_3x3, pool],
        [net.Conv2d_3b_1x1, net.Conv2d_4a_3x3, pool],
        [net.Mixed_5b, net.Mixed_5c, net.Mixed_5d, net.Mixed_6a, net.Mixed_6b, net.Mixed_6c, net.Mixed_6d, net.Mixed_6e],
        [net.Mixed_7a, net.Mixed_7b, net.Mixed_7c, torch.nn.AdaptiveAvgPool2d(1)],
    ]


def main() -> None:
    wrapper, inception, state = network()
    if "--weights" in sys.argv:
        save_tensors(state, sys.argv[sys.argv.index("--weights") + 1])
        return
    tensors = {}
    for name, (c, h, w) in SIZES.items():
        pixels = np.random.default_rng(len(tensors)).integers(0, 256, (1, c, h, w), dtype=np.uint8)
        image = torch.from_numpy(pixels).float().div(255).expand(1, 3, h, w)
        with torch.no_grad():
            features = wrapper(image)[0][:, :, 0, 0]
            logits = features @ inception.fc.weight.T
        print(name, features.abs().mean().item(), features.std().item(), logits.std().item())
        tensors |= {f"{name}.images": pixels, f"{name}.features": features.numpy(), f"{name}.logits": logits.numpy()}
    versions = ", ".join(f"{p} {version(p)}" for p in ["torch", "torchvision", "pytorch-fid"])
    save_file(tensors, OUT, {"versions": versions})


if __name__ == "__main__":
    main()
