"""Writes the fixture of DINOv2: a small vision transformer of the same modules, in plain PyTorch, with weights from a formula.

    python tools/golden/dinov2.py                    # crates/cl-metrics/tests/fixtures/dinov2.safetensors
    python tools/golden/dinov2.py --weights FILE.pth # a state dict with the sizes of ViT-S/14, for trying the program by hand

The modules follow facebookresearch/dinov2 (Apache-2.0): tokens of patches, learned positions interpolated with its offset
of 0.1, blocks with LayerScale, the class token after the last norm. Images go through Pillow's bicubic resizing of
floating-point channels, as in layer6ai-labs/dgm-eval with --clean_resize. The weights are those of `inception.py`'s formula.
"""

import math
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

OUT = Path(__file__).resolve().parents[2] / "crates/cl-metrics/tests/fixtures/dinov2.safetensors"
IMAGES = {"large": (3, 20, 26), "grey": (1, 8, 9), "same": (3, 12, 12)}
TINY = {"side": 12, "patch": 4, "width": 12, "depth": 2, "heads": 3, "learned": 5}
SMALL = {"side": 224, "patch": 14, "width": 384, "depth": 12, "heads": 6, "learned": 37}
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


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
    if name.endswith("gamma") or (name.endswith("weight") and len(shape) == 1):
        return np.float32(0.5) + u
    if len(shape) in (1, 3):
        return np.float32(0.4) * (u - np.float32(0.5))
    bound = np.float32((6.0 / np.prod(shape[1:])) ** 0.5)
    return np.float32(2) * bound * (u - np.float32(0.5))


class Scale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.gamma


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q * (width // self.heads) ** -0.5 @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(n, length, width))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attn, self.ls1 = nn.LayerNorm(width, eps=1e-6), Attention(width, heads), Scale(width)
        self.norm2, self.mlp, self.ls2 = nn.LayerNorm(width, eps=1e-6), Mlp(width), Scale(width)

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class Patches(nn.Module):
    def __init__(self, width, patch):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def interpolated(positions, learned, grid):
    """`positions`: learned * learned x width."""
    if learned == grid:
        return positions
    square = positions.reshape(1, learned, learned, -1).permute(0, 3, 1, 2)
    factor = (grid + 0.1) / math.sqrt(learned * learned)
    square = F.interpolate(square, scale_factor=(factor, factor), mode="bicubic")
    assert square.shape[-2:] == (grid, grid)
    return square.permute(0, 2, 3, 1).reshape(grid * grid, -1)


class Vit(nn.Module):
    def __init__(self, side, patch, width, depth, heads, learned):
        super().__init__()
        self.grid, self.learned = side // patch, learned
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + learned**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.patch_embed = Patches(width, patch)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.patch_embed(x)], 1)
        places = interpolated(self.pos_embed[0, 1:], self.learned, self.grid)
        x = x + torch.cat([self.pos_embed[0, :1], places])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 0]


def network(sizes):
    vit = Vit(**sizes)
    vit.load_state_dict({n: torch.from_numpy(value(n, t.shape)) for n, t in vit.state_dict().items()})
    return vit.eval()


def resized(plane, side):
    image = Image.fromarray(plane.astype(np.float32), mode="F").resize((side, side), resample=Image.BICUBIC)
    return np.asarray(image).clip(0, 255)


def main() -> None:
    if "--weights" in sys.argv:
        torch.save(network(SMALL).state_dict(), sys.argv[sys.argv.index("--weights") + 1])
        return
    vit, tensors = network(TINY), {}
    for name, (c, h, w) in IMAGES.items():
        pixels = np.random.default_rng(len(tensors)).integers(0, 256, (1, c, h, w), dtype=np.uint8)
        planes = np.stack([resized(pixels[0, min(i, c - 1)], TINY["side"]) for i in range(3)])
        image = torch.from_numpy(planes) / 255
        image = (image - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
        with torch.no_grad():
            features = vit(image[None])
        print(name, features)
        tensors |= {f"{name}.images": pixels, f"{name}.prepared": image.numpy(), f"{name}.features": features.numpy()}
    learned = torch.from_numpy(value("positions", (1, 37 * 37, 1)))[0]
    tensors["positions"] = interpolated(learned, 37, 16).numpy()
    save_file(tensors, OUT, {"versions": ", ".join(f"{p} {version(p)}" for p in ["torch", "pillow"])})


if __name__ == "__main__":
    main()
