"""Writes the fixture of zero terminal SNR and of dynamic thresholding: diffusers' own steps and thresholds.

    python tools/golden/zero_terminal_snr.py
"""

import json
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers import scheduling_ddpm

FILE = Path(__file__).resolve().parents[2] / "crates/ddpm-core/tests/fixtures/zero_terminal_snr.json"
COMMON = (1000, 1e-4, 0.02, "linear")
X_T = torch.tensor([[[[0.6, -1.2], [0.3, 1.7]]]])
NOISE = torch.tensor([[[[-0.4, 0.9], [1.1, -0.2]]]])


def model(x, bar_t):
    """The analytic denoiser of tests/common."""
    return (1 - bar_t) ** 0.5 * x * 0.9 + 0.05 * torch.sin(3 * x)


def flat(tensor: torch.Tensor) -> list[float]:
    return [round(float(v), 7) for v in tensor.flatten()]


def trajectory(kind, prediction: str, **options) -> list[float]:
    scheduler = kind(
        *COMMON, rescale_betas_zero_snr=True, prediction_type=prediction, timestep_spacing="trailing", **options
    )
    scheduler.set_timesteps(20)
    x = X_T
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, scheduler.alphas_cumprod[int(t)]), t, x).prev_sample
    return flat(x)


def ancestral(prediction: str, variance: str) -> list:
    scheduler = DDPMScheduler(
        *COMMON, rescale_betas_zero_snr=True, prediction_type=prediction, variance_type=variance, clip_sample=True
    )
    steps = []
    scheduling_ddpm.randn_tensor = lambda *_, **__: NOISE
    for t in [999, 998, 500, 0]:
        x = scheduler.step(model(X_T, scheduler.alphas_cumprod[t]), t, X_T).prev_sample
        steps.append({"t": t, "x": flat(x)})
    return steps


def thresholds() -> list:
    """The published rule has no largest s: a bound that no quantile here reaches stands for it."""
    x_0 = torch.tensor([[[[0.2, -0.9], [1.4, -3.1]]], [[[0.1, -0.3], [0.2, 0.6]]]])
    cases = []
    for ratio, most in [(0.995, 1.0), (0.8, 2.0), (0.8, 1e6), (0.995, 1e6), (0.5, 0.5)]:
        scheduler = DDPMScheduler(thresholding=True, dynamic_thresholding_ratio=ratio, sample_max_value=most)
        cases.append({"ratio": ratio, "max": most, "x_0": flat(scheduler._threshold_sample(x_0))})
    return [{"x_0": flat(x_0)}, *cases]


def main() -> None:
    content = {
        "versions": f"torch {torch.__version__}, diffusers {diffusers.__version__}",
        "x_t": flat(X_T),
        "noise": flat(NOISE),
        "x_0": {
            f"{name}.{prediction}": trajectory(kind, prediction, **options)
            for prediction in ["v_prediction", "sample"]
            for name, kind, options in [
                ("ddim", DDIMScheduler, {"clip_sample": False}),
                ("dpm", DPMSolverMultistepScheduler, {}),
            ]
        },
        "ancestral": {
            f"{variance}.{prediction}": ancestral(prediction, variance)
            for prediction in ["v_prediction", "sample"]
            for variance in ["fixed_small", "fixed_large"]
        },
        "thresholds": thresholds(),
    }
    FILE.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
