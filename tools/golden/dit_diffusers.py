"""Writes DiT fixtures in diffusers' form: small `DiTTransformer2DModel`s with what they predict.

    python tools/golden/dit_diffusers.py

Each directory is what `save_pretrained` writes (`config.json`, `diffusion_pytorch_model.safetensors`), with
`expected.safetensors` beside it: `x`, `t`, `y` and `out`. Every block of the class has embedders of timestep and label
of its own, which the published DiT has once; as in converted checkpoints, all blocks have those of the first.
"""

from pathlib import Path

import diffusers
import torch
from diffusers import DiTTransformer2DModel
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "crates/ddpm-core/tests/fixtures/dit_diffusers"
SMALL = dict(
    sample_size=8, patch_size=2, num_layers=2, num_attention_heads=2, attention_head_dim=4, num_embeds_ada_norm=3,
)
CONFIGS = {
    "plain": dict(SMALL, in_channels=1, norm_eps=1e-6),
    # An epsilon that shows in the output.
    "learned_variance": dict(SMALL, in_channels=3, out_channels=6, norm_eps=1e-2),
}


def write(name: str, options: dict) -> None:
    torch.manual_seed(0)
    model = DiTTransformer2DModel(**options).eval()
    first, *others = model.transformer_blocks
    for block in others:
        block.norm1.emb.load_state_dict(first.norm1.emb.state_dict())
    model.save_pretrained(OUT / name)
    x, t, y = torch.randn(3, options["in_channels"], 8, 8), torch.tensor([0, 300, 977]), torch.tensor([0, 2, 3])
    with torch.no_grad():
        out = model(x, t, class_labels=y).sample
    versions = f"torch {torch.__version__}, diffusers {diffusers.__version__}"
    save_file({"x": x, "t": t, "y": y, "out": out}, OUT / name / "expected.safetensors", {"versions": versions})


if __name__ == "__main__":
    for name, options in CONFIGS.items():
        write(name, options)
