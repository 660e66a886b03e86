"""Writes a pipeline as diffusers saves it, with what diffusers makes of it.

    python tools/golden/pipeline.py

A tiny class-conditional DDPM, trained for some seconds on bright squares (an untrained one has chaotic trajectories under
clipping), in the directory form of `DDPMPipeline.save_pretrained`; beside it `expected.safetensors`: `x_t`, `t`, `y` and
the `prediction`, and `x_T` with `x_0` after 50 steps of DDIM.
"""

from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "crates/ddpm-core/tests/fixtures/pipeline"

if __name__ == "__main__":
    torch.manual_seed(0)
    model = UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=[8, 16],
        down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
        norm_num_groups=4, attention_head_dim=8, num_class_embeds=3,
    )
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(800):
        y = torch.randint(0, 3, (32,))
        x_0 = -torch.ones(32, 1, 8, 8)
        for image, label in zip(x_0, y.tolist()):
            image[:, 2 * label : 2 * label + 3, 2:6] = 1.0
        eps, t = torch.randn_like(x_0), torch.randint(0, 1000, (32,))
        loss = torch.nn.functional.mse_loss(model(scheduler.add_noise(x_0, eps, t), t, class_labels=y).sample, eps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    DDPMPipeline(unet=model.eval(), scheduler=scheduler).save_pretrained(OUT)
    x, t, y = torch.randn(3, 1, 8, 8), torch.tensor([0, 300, 999]), torch.tensor([0, 1, 2])
    ddim = DDIMScheduler.from_config(DDPMScheduler.from_pretrained(OUT / "scheduler").config)
    ddim.set_timesteps(50)
    with torch.no_grad():
        prediction = model(x, t, class_labels=y).sample
        sample = x
        for step in ddim.timesteps:
            sample = ddim.step(model(sample, step, class_labels=y).sample, step, sample).prev_sample
    tensors = {"x_t": x, "t": t, "y": y, "prediction": prediction, "x_T": x.clone(), "x_0": sample}
    versions = f"torch {torch.__version__}, diffusers {diffusers.__version__}"
    save_file(tensors, OUT / "expected.safetensors", {"versions": versions})
    print(f"loss {loss.item():.3f}, samples within {sample.abs().max().item():.3f}")
