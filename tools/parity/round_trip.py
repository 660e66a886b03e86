"""Models from diffusers to cldiff and back, with what both make of them.

    python tools/parity/round_trip.py target/debug/cldiff

Needs torch, diffusers, numpy and safetensors. Small pipelines, trained for some seconds, are written by diffusers and
read by cldiff: predictions, and samples from the same x_T with each sampler, must agree. (An untrained network does not
do: under clipping its trajectories are chaotic, and diffusers parts from itself by 1.6 when x_T is moved by 1e-6.) cldiff then writes them again; what diffusers reads back must
predict the same. Prints one line a comparison, and fails at the first that is too far off.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DDIMScheduler, DDPMPipeline, DDPMScheduler, DPMSolverMultistepScheduler, HeunDiscreteScheduler, UNet2DModel,
)
from safetensors.numpy import load_file, save_file

CLDIFF = str(Path(sys.argv[1]).resolve())
MODELS = {
    "unconditional": (
        dict(
            sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=[16, 32],
            down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
            norm_num_groups=8, attention_head_dim=8, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1,
        ),
        dict(),
    ),
    "classes_cosine_v": (
        dict(
            sample_size=16, in_channels=1, out_channels=1, layers_per_block=2, block_out_channels=[16, 16],
            down_block_types=["DownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "UpBlock2D"],
            norm_num_groups=4, num_class_embeds=10, resnet_time_scale_shift="scale_shift",
        ),
        dict(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", variance_type="fixed_large"),
    ),
}
SAMPLERS = {
    "ddim": (DDIMScheduler, 50),
    "dpm-solver": (DPMSolverMultistepScheduler, 20),
    "heun": (HeunDiscreteScheduler, 20),
}


def cldiff(*arguments) -> None:
    subprocess.run([CLDIFF, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def compare(what: str, ours: np.ndarray, theirs: np.ndarray, bound: float) -> None:
    difference = float(np.abs(ours - theirs).max())
    print(f"{what}: largest difference {difference:.2e} (bound {bound:.0e})")
    assert difference < bound, what


@torch.no_grad()
def sample(model, scheduler, steps: int, x_t: torch.Tensor, y) -> np.ndarray:
    scheduler.set_timesteps(steps)
    x = x_t * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        output = model(scheduler.scale_model_input(x, t), t, class_labels=y).sample
        x = scheduler.step(output, t, x).prev_sample
    return x.numpy()


def train(model, scheduler, steps: int = 300) -> None:
    """On bright squares on a dark ground, their place by the class."""
    size, optimizer = model.config.sample_size, torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(steps):
        y = torch.randint(0, 10, (32,))
        x_0 = -torch.ones(32, model.config.in_channels, size, size)
        for image, label in zip(x_0, y.tolist()):
            image[:, label : label + 6, 4:12] = 1.0
        eps, t = torch.randn_like(x_0), torch.randint(0, 1000, (32,))
        target = eps if scheduler.config.prediction_type == "epsilon" else scheduler.get_velocity(x_0, eps, t)
        labels = y if model.config.num_class_embeds else None
        output = model(scheduler.add_noise(x_0, eps, t), t, class_labels=labels).sample
        loss = torch.nn.functional.mse_loss(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


for name, (unet_options, scheduler_options) in MODELS.items():
    torch.manual_seed(0)
    model = UNet2DModel(**unet_options)
    train(model, DDPMScheduler(**scheduler_options))
    model.eval()
    pipeline = DDPMPipeline(unet=model, scheduler=DDPMScheduler(**scheduler_options))
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        pipeline.save_pretrained(here / "theirs")
        # As from disk: in memory, from_config ignores what the first scheduler left at its defaults.
        scheduler_config = DDPMScheduler.from_pretrained(here / "theirs/scheduler").config
        n = 4
        x = torch.randn(n, unet_options["in_channels"], 16, 16)
        t = torch.tensor([0, 10, 500, 999])
        conditional = model.config.num_class_embeds is not None
        y = torch.arange(n) if conditional else None
        with torch.no_grad():
            expected = model(x, t, class_labels=y).sample.numpy()
        given = {"x_t": x.numpy(), "t": t.numpy(), "x_T": x.numpy()} | ({"y": y.numpy()} if conditional else {})
        save_file(given, here / "given.safetensors")
        cldiff("predict", "--model", here / "theirs", "--input", here / "given.safetensors", "--out", here / "p.safetensors")
        compare(f"{name}, prediction", load_file(here / "p.safetensors")["prediction"], expected, 1e-5)
        for sampler, (scheduler, steps) in SAMPLERS.items():
            theirs = sample(model, scheduler.from_config(scheduler_config), steps, x, y)
            cldiff(
                "sample", "--model", here / "theirs", "--n", n, "--sampler", sampler, "--steps", steps,
                "--x-T", here / "given.safetensors", "--out", here / "x.safetensors",
            )
            ours = load_file(here / "x.safetensors")["x_0"]
            compare(f"{name}, {sampler} with {steps} steps", ours, theirs, 1e-3)
        cldiff("export", "--model", here / "theirs", "--out", here / "ours")
        again = DDPMPipeline.from_pretrained(here / "ours")
        _, info = UNet2DModel.from_pretrained(here / "ours/unet", output_loading_info=True)
        assert not any(info.values()), info
        with torch.no_grad():
            back = again.unet(x, t, class_labels=y).sample.numpy()
        compare(f"{name}, written by cldiff and read back", back, expected, 1e-7)
        for key, value in pipeline.scheduler.config.items():
            if not key.startswith("_"):
                assert again.scheduler.config[key] == value, (key, again.scheduler.config[key], value)
print("all agree")
