"""Writes DiT fixtures: the published architecture (Peebles & Xie 2023) assembled from timm's layers on fixed inputs.

    python tools/golden/dit.py

Each file holds `param.*`, `x`, `t`, `y` (if conditional), `out`, `cotangent`, `grad.x` and `grad.*` of
sum(out * cotangent); its metadata hold the configuration and the versions that made it. The network's parts are timm's
(patch embedding, attention, MLP), put together by the equations of the paper's section 3.2 with adaLN-zero.
"""

import json
import math
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import Attention, Mlp, PatchEmbed
from torch import nn

OUT = Path(__file__).resolve().parents[2] / "crates/ddpm-core/tests/fixtures/dit"
CONFIGS = {
    "plain": dict(input_size=8, patch_size=2, in_channels=1, hidden_size=16, depth=2, num_heads=2),
    "classes_learned": dict(
        input_size=8, patch_size=4, in_channels=3, hidden_size=12, depth=1, num_heads=3, mlp_ratio=2.0,
        num_classes=5, learn_sigma=True,
    ),
    # The published code has squares only; a rectangle has the rows and columns of positions that it has of patches.
    "rectangle": dict(
        input_size=[4, 8], patch_size=2, in_channels=1, hidden_size=16, depth=1, num_heads=2, num_classes=5,
    ),
}


def sides(size: int | list[int]) -> tuple[int, int]:
    return tuple(size) if isinstance(size, list) else (size, size)


def axis(width: int, positions: np.ndarray) -> np.ndarray:
    omega = 1.0 / 10000 ** (np.arange(width // 2, dtype=np.float64) / (width / 2.0))
    angles = np.einsum("m,d->md", positions.reshape(-1).astype(np.float64), omega)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, ratio: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(width, num_heads=heads, qkv_bias=True)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.mlp = Mlp(width, int(width * ratio), act_layer=lambda: nn.GELU(approximate="tanh"), drop=0)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x, c):
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.adaLN_modulation(c)[:, None].chunk(6, dim=-1)
        x = x + gate_a * self.attn(self.norm1(x) * (1 + scale_a) + shift_a)
        return x + gate_m * self.mlp(self.norm2(x) * (1 + scale_m) + shift_m)


class Final(nn.Module):
    def __init__(self, width: int, numbers: int):
        super().__init__()
        self.norm_final = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.linear = nn.Linear(width, numbers)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x, c):
        shift, scale = self.adaLN_modulation(c)[:, None].chunk(2, dim=-1)
        return self.linear(self.norm_final(x) * (1 + scale) + shift)


class Holder(nn.Module):
    """Gives a parameter the published name."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)


class DiT(nn.Module):
    def __init__(self, input_size, patch_size, in_channels, hidden_size, depth, num_heads, mlp_ratio=4.0, num_classes=None, learn_sigma=False):
        super().__init__()
        self.patch, self.grid = patch_size, [side // patch_size for side in sides(input_size)]
        self.channels = in_channels * (2 if learn_sigma else 1)
        self.x_embedder = PatchEmbed(sides(input_size), patch_size, in_channels, hidden_size, bias=True)
        self.t_embedder = Holder(mlp=nn.Sequential(nn.Linear(256, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size)))
        self.y_embedder = Holder(embedding_table=nn.Embedding(num_classes, hidden_size)) if num_classes else None
        self.blocks = nn.ModuleList([Block(hidden_size, num_heads, mlp_ratio) for _ in range(depth)])
        self.final_layer = Final(hidden_size, patch_size**2 * self.channels)
        grid_w, grid_h = np.meshgrid(np.arange(self.grid[1]), np.arange(self.grid[0]))
        positions = np.concatenate([axis(hidden_size // 2, grid_w), axis(hidden_size // 2, grid_h)], axis=1)
        self.register_buffer("positions", torch.from_numpy(positions).float()[None], persistent=False)

    def forward(self, x, t, y=None):
        x = self.x_embedder(x) + self.positions
        angles = t[:, None].float() * torch.exp(-math.log(10000) * torch.arange(128) / 128)[None]
        c = self.t_embedder.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))
        if y is not None:
            c = c + self.y_embedder.embedding_table(y)
        for block in self.blocks:
            x = block(x, c)
        x = self.final_layer(x, c).reshape(len(x), *self.grid, self.patch, self.patch, self.channels)
        return torch.einsum("nhwpqc->nchpwq", x).reshape(len(x), self.channels, self.grid[0] * self.patch, -1)


def write(name: str, options: dict) -> None:
    torch.manual_seed(0)
    model = DiT(**options)
    with torch.no_grad():
        for parameter in model.parameters():  # adaLN-zero starts as the identity, which would hide mistakes
            parameter.copy_(0.2 * torch.randn_like(parameter))
    x = torch.randn(2, options["in_channels"], *sides(options["input_size"]), requires_grad=True)
    t, y = torch.tensor([3, 977]), torch.tensor([1, 4]) if options.get("num_classes") else None
    out = model(x, t, y)
    cotangent = torch.randn_like(out)
    (out * cotangent).sum().backward()
    tensors = {"x": x, "t": t, "out": out, "cotangent": cotangent, "grad.x": x.grad}
    if y is not None:
        tensors["y"] = y
    for key, parameter in model.named_parameters():
        tensors[f"param.{key}"] = parameter
        tensors[f"grad.{key}"] = parameter.grad
    metadata = {"config": json.dumps(options), "versions": f"torch {torch.__version__}, timm {timm.__version__}"}
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, OUT / f"{name}.safetensors", metadata)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name, options in CONFIGS.items():
        write(name, options)
