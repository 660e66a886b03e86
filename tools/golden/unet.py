"""Writes UNet fixtures: diffusers' UNet2DModel on fixed inputs, with its parameters, output and gradients.

    python tools/golden/unet.py

Each file holds `param.*`, `x`, `t`, `y` (if conditional), `out`, `cotangent`, `grad.x` and `grad.*` of
sum(out * cotangent); its metadata hold the configuration and the versions that made it.
"""

import json
from pathlib import Path

import diffusers
import torch
from diffusers import UNet2DModel
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "crates/ddpm-core/tests/fixtures/unet"
PLAIN = dict(
    down_block_types=["DownBlock2D", "DownBlock2D"],
    up_block_types=["UpBlock2D", "UpBlock2D"],
    block_out_channels=[8, 16],
    norm_num_groups=4,
)
ATTENTION = {
    **PLAIN,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
}
CONFIGS = {
    "plain": dict(PLAIN, layers_per_block=1, add_attention=False),
    "attention_classes": dict(ATTENTION, layers_per_block=1, attention_head_dim=8, num_class_embeds=10),
    "two_layers_head_4": dict(ATTENTION, layers_per_block=2, attention_head_dim=4, block_out_channels=[8, 8]),
    "odd_channels": dict(
        PLAIN, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=[6, 12], norm_num_groups=3,
        attention_head_dim=3,
    ),
    "asymmetric_padding": dict(PLAIN, layers_per_block=1, downsample_padding=0, attention_head_dim=2),
    "sines_first_shifted": dict(
        PLAIN, layers_per_block=1, flip_sin_to_cos=False, freq_shift=1, add_attention=False, norm_eps=1e-6,
    ),
    "scale_shift": dict(ATTENTION, layers_per_block=1, resnet_time_scale_shift="scale_shift", attention_head_dim=8),
    "mish_centred": dict(
        PLAIN, layers_per_block=1, act_fn="mish", center_input_sample=True, attention_head_dim=None,
        mid_block_scale_factor=1.4,
    ),
    "gelu": dict(PLAIN, layers_per_block=1, act_fn="gelu", add_attention=False, time_embedding_dim=20),
    "three_levels": dict(
        layers_per_block=1, block_out_channels=[4, 8, 12], norm_num_groups=2, attention_head_dim=4,
        down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"], act_fn="relu", attn_norm_num_groups=3,
    ),
    "rectangle": dict(
        ATTENTION, layers_per_block=1, block_out_channels=[8, 8], attention_head_dim=4, num_class_embeds=10,
        sample_size=[4, 12],
    ),
}


def write(name: str, options: dict) -> None:
    torch.manual_seed(0)
    options = {"in_channels": 1, "out_channels": 1, "sample_size": 8, **options}
    model = UNet2DModel(**options)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "norm" in key:  # initialised to ones and zeros, which would hide mistakes
                parameter.add_(0.3 * torch.randn_like(parameter))
    size = options["sample_size"]
    height, width = size if isinstance(size, list) else (size, size)
    x = torch.randn(2, options["in_channels"], height, width, requires_grad=True)
    t = torch.tensor([3, 977])
    y = torch.tensor([1, 7]) if options.get("num_class_embeds") else None
    out = model(x, t, class_labels=y).sample
    cotangent = torch.randn_like(out)
    (out * cotangent).sum().backward()
    tensors = {"x": x, "t": t, "out": out, "cotangent": cotangent, "grad.x": x.grad}
    if y is not None:
        tensors["y"] = y
    for key, parameter in model.named_parameters():
        tensors[f"param.{key}"] = parameter
        tensors[f"grad.{key}"] = parameter.grad
    config = {k: v for k, v in model.config.items() if not k.startswith("_")}
    versions = f"torch {torch.__version__}, diffusers {diffusers.__version__}"
    metadata = {"config": json.dumps(config), "versions": versions}
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    save_file(tensors, OUT / f"{name}.safetensors", metadata)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name, options in CONFIGS.items():
        write(name, options)
