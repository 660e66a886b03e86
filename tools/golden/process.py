"""Writes fixtures of schedules, samplers, likelihood, EMA and the Frechet distance.

    python tools/golden/process.py

Schedules and likelihood follow Nichol & Dhariwal's formulas in NumPy, in f64, checked here against diffusers in f32;
samplers, EMA and the Frechet distance are those of diffusers and pytorch-fid.
"""

import json
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, HeunDiscreteScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from diffusers.training_utils import EMAModel
from pytorch_fid.fid_score import calculate_frechet_distance
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2] / "crates"
CORE = ROOT / "ddpm-core/tests/fixtures"
METRICS = ROOT / "cl-metrics/tests/fixtures"
VERSIONS = f"numpy {np.__version__}, torch {torch.__version__}, diffusers {diffusers.__version__}, pytorch-fid 0.3.0"


def betas(name: str, steps: int) -> np.ndarray:
    if name == "linear":
        return np.linspace(1e-4, 0.02, steps, dtype=np.float64)
    if name == "scaled_linear":
        return np.linspace(8.5e-4**0.5, 0.012**0.5, steps, dtype=np.float64) ** 2
    if name == "squaredcos_cap_v2":
        f = lambda u: np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2
        return np.array([min(1 - f((i + 1) / steps) / f(i / steps), 0.999) for i in range(steps)])
    x = np.linspace(-6, 6, steps, dtype=np.float64)
    return 1 / (1 + np.exp(-x)) * (0.02 - 1e-4) + 1e-4


def coefficients(b: np.ndarray) -> dict:
    alphas = 1 - b
    bar = np.cumprod(alphas)
    prev = np.append(1.0, bar[:-1])
    variance = b * (1 - prev) / (1 - bar)
    return {
        "beta": b,
        "alpha_cumprod": bar,
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.append(variance[1], variance[1:])),
        "posterior_mean_of_x_0": b * np.sqrt(prev) / (1 - bar),
        "posterior_mean_of_x_t": (1 - prev) * np.sqrt(alphas) / (1 - bar),
    }


def schedules() -> None:
    cases = []
    for name in ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]:
        for steps in [1000, 50]:
            c = coefficients(betas(name, steps))
            start, end = (8.5e-4, 0.012) if name == "scaled_linear" else (1e-4, 0.02)
            scheduler = DDPMScheduler(steps, start, end, name)
            assert np.abs(scheduler.alphas_cumprod.numpy() - c["alpha_cumprod"]).max() < 1e-5
            at = sorted({0, 1, 2, steps // 4, steps // 2, steps - 2, steps - 1})
            values = {key: [float(v[i]) for i in at] for key, v in c.items()}
            cases.append({"schedule": name, "timesteps": steps, "at": at, **values})
    zero_snr = rescale_zero_terminal_snr(torch.from_numpy(betas("scaled_linear", 1000))).numpy()
    at = [0, 1, 250, 500, 998, 999]
    zero_snr = {"at": at, "beta": [float(zero_snr[i]) for i in at]}
    text = json.dumps({"versions": VERSIONS, "cases": cases, "zero_terminal_snr": zero_snr}, indent=1)
    (CORE / "process.json").write_text(text + "\n")


def eps_model(x, bar_t):
    sin = torch.sin if isinstance(x, torch.Tensor) else np.sin
    return (1 - bar_t) ** 0.5 * x * 0.9 + 0.05 * sin(3 * x)


def samplers() -> None:
    torch.manual_seed(1)
    x_t = torch.randn(2, 1, 4, 4)
    noises = torch.randn(1000, 2, 1, 4, 4)
    tensors = {"x_t": x_t.numpy(), "noise": np.ascontiguousarray(noises.numpy()[::50])}
    for name, options, eta in [
        ("ddim", {}, 0.0),
        ("ddim_clip", {"clip_sample": True}, 0.0),
        ("ddim_to_abar_0", {"set_alpha_to_one": False}, 0.0),
        ("ddim_trailing", {"timestep_spacing": "trailing"}, 0.0),
        ("ddim_linspace", {"timestep_spacing": "linspace"}, 0.0),
        ("ddim_eta", {}, 0.5),
    ]:
        scheduler = DDIMScheduler(1000, 1e-4, 0.02, "linear", **{"clip_sample": False, **options})
        scheduler.set_timesteps(20)
        x = x_t
        trajectory = []
        for t in scheduler.timesteps.tolist():
            bar = scheduler.alphas_cumprod[t]
            noise = noises[t] if eta else None
            x = scheduler.step(eps_model(x, bar), t, x, eta=eta, variance_noise=noise).prev_sample
            trajectory.append(x.numpy())
        tensors[name] = np.stack(trajectory)
    for variance in ["fixed_small", "fixed_large"]:
        for clip in [False, True]:
            scheduler = DDPMScheduler(1000, 1e-4, 0.02, "linear", variance_type=variance, clip_sample=clip)
            steps = []
            for t in [950, 500, 50, 0]:
                generator = _Fixed(noises[t])
                steps.append(scheduler_step(scheduler, eps_model(x_t, scheduler.alphas_cumprod[t]), t, x_t, generator))
            tensors[f"{variance}_{'clip' if clip else 'free'}"] = np.stack(steps)
    save_file(tensors, CORE / "samplers.safetensors", {"versions": VERSIONS})


def solvers() -> None:
    """The inputs that samplers ask the denoiser with, evaluation by evaluation, and what they end with."""
    torch.manual_seed(4)
    x_t = torch.randn(2, 1, 4, 4)
    tensors = {"x_t": x_t.numpy()}
    common = (1000, 1e-4, 0.02, "linear")
    cases = {
        "dpm_linspace": DPMSolverMultistepScheduler(*common),
        "dpm_leading": DPMSolverMultistepScheduler(*common, timestep_spacing="leading"),
        "dpm_trailing": DPMSolverMultistepScheduler(*common, timestep_spacing="trailing"),
        "dpm_dynamic": DPMSolverMultistepScheduler(
            *common, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=2.0
        ),
        "heun_leading": HeunDiscreteScheduler(*common, timestep_spacing="leading"),
        "heun_trailing": HeunDiscreteScheduler(*common, timestep_spacing="trailing", clip_sample=True),
    }
    for name, scheduler in cases.items():
        scheduler.set_timesteps(20)
        x, inputs = x_t * scheduler.init_noise_sigma, []
        for t in scheduler.timesteps:
            asked = scheduler.scale_model_input(x, t)
            inputs.append(asked.numpy())
            eps = eps_model(asked, scheduler.alphas_cumprod[int(t)])
            x = scheduler.step(eps, t, x).prev_sample
        tensors[f"{name}.inputs"], tensors[f"{name}.x_0"] = np.stack(inputs), x.numpy()
    scheduler = DDIMScheduler(
        *common, rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing"
    )
    scheduler.set_timesteps(20)
    x, inputs = x_t, []
    for t in scheduler.timesteps.tolist():
        inputs.append(x.numpy())
        x = scheduler.step(eps_model(x, scheduler.alphas_cumprod[t]), t, x).prev_sample
    tensors["ddim_zero_snr_v.inputs"], tensors["ddim_zero_snr_v.x_0"] = np.stack(inputs), x.numpy()
    # Ancestral steps that depend on the variance's form: respaced, learned, and with dynamic thresholding.
    noise = torch.randn(2, 1, 4, 4)
    tensors["noise"] = noise.numpy()
    learned = lambda x: torch.sin(2 * x)
    for name, options, spaced in [
        ("respaced", {"clip_sample": False}, True),
        ("learned", {"variance_type": "learned_range", "clip_sample": False}, False),
        ("learned_respaced", {"variance_type": "learned_range"}, True),
        ("dynamic", {"thresholding": True, "dynamic_thresholding_ratio": 0.8, "sample_max_value": 1.5}, False),
    ]:
        scheduler = DDPMScheduler(*common, **options)
        if spaced:
            scheduler.set_timesteps(50)
        steps = []
        for t in [980, 500, 20, 0]:
            output = eps_model(x_t, scheduler.alphas_cumprod[t])
            if "variance_type" in options:
                output = torch.cat([output, learned(x_t)], dim=1)
            steps.append(scheduler_step(scheduler, output, t, x_t, _Fixed(noise)))
        tensors[f"ancestral_{name}"] = np.stack(steps)
    save_file(tensors, CORE / "solvers.safetensors", {"versions": VERSIONS})


def learned_bound() -> None:
    """improved-diffusion's bound with a variance between the two fixed ones."""
    rng = np.random.default_rng(5)
    c = coefficients(betas("linear", 50))
    images = rng.integers(0, 256, (4, 1, 4, 4), dtype=np.uint8)
    images[0, 0, 0, :2] = [0, 255]
    x_0, eps = images.astype(np.float64) / 127.5 - 1, rng.standard_normal((4, 1, 4, 4)).astype(np.float32)
    t = np.array([0, 1, 20, 49])
    at = lambda key: c[key][t].reshape(-1, 1, 1, 1)
    x_t = np.sqrt(at("alpha_cumprod")) * x_0 + np.sqrt(1 - at("alpha_cumprod")) * eps
    share = (np.sin(2 * x_t) + 1) / 2
    low = at("posterior_log_variance_clipped")
    log_variance = share * np.log(at("beta")) + (1 - share) * low
    bar = at("alpha_cumprod")
    predicted = np.sqrt(1 / bar) * x_t - np.sqrt(1 / bar - 1) * eps_model(x_t, bar)
    a, b = at("posterior_mean_of_x_0"), at("posterior_mean_of_x_t")
    mean, true_mean = a * predicted + b * x_t, a * x_0 + b * x_t
    kl = 0.5 * (-1 + log_variance - low + np.exp(low - log_variance) + (true_mean - mean) ** 2 * np.exp(-log_variance))
    cdf = lambda v: 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))
    inverse = np.exp(-0.5 * log_variance)
    above, below = cdf((x_0 - mean + 1 / 255) * inverse), cdf((x_0 - mean - 1 / 255) * inverse)
    log = lambda v: np.log(np.maximum(v, 1e-12))
    nll = -np.where(x_0 < -0.999, log(above), np.where(x_0 > 0.999, log(1 - below), log(above - below)))
    terms = np.where(t == 0, nll.mean(axis=(1, 2, 3)), kl.mean(axis=(1, 2, 3))) / np.log(2)
    tensors = {"images": images, "eps": eps, "t": t, "vlb": terms}
    save_file(tensors, CORE / "learned_bound.safetensors", {"versions": VERSIONS})


class _Fixed:
    def __init__(self, noise):
        self.noise = noise


def scheduler_step(scheduler, eps, t, x, fixed):
    """One step of diffusers' DDPMScheduler with given noise."""
    import diffusers.schedulers.scheduling_ddpm as module

    original = module.randn_tensor
    module.randn_tensor = lambda *_, **__: fixed.noise
    try:
        return scheduler.step(eps, t, x).prev_sample.numpy()
    finally:
        module.randn_tensor = original


def likelihood() -> None:
    """Nichol & Dhariwal's bound, term by term."""
    rng = np.random.default_rng(2)
    steps = 50
    c = coefficients(betas("linear", steps))
    images = rng.integers(0, 256, (3, 1, 4, 4), dtype=np.uint8)
    images[0, 0, 0, :2] = [0, 255]
    x_0 = images.astype(np.float64) / 127.5 - 1
    noise = rng.standard_normal((steps, 3, 1, 4, 4)).astype(np.float32)
    flat = lambda v: v.mean(axis=(1, 2, 3))
    cdf = lambda v: 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))
    tensors = {"images": images, "noise": noise}
    bar = c["alpha_cumprod"]
    end_mean, end_variance = np.sqrt(bar[-1]) * x_0, 1 - bar[-1]
    tensors["prior"] = flat(0.5 * (-1 - np.log(end_variance) + end_variance + end_mean**2)) / np.log(2)
    for name in ["fixed_small", "fixed_large"]:
        small = c["posterior_log_variance_clipped"]
        large = np.log(np.append(c["posterior_variance"][1], c["beta"][1:]))
        log_variance = small if name == "fixed_small" else large
        for clip in [False, True]:
            rows = {"vlb": [], "eps_mse": [], "x_0_mse": []}
            for t in range(steps):
                eps = noise[t].astype(np.float64)
                x_t = np.sqrt(bar[t]) * x_0 + np.sqrt(1 - bar[t]) * eps
                predicted_eps = eps_model(x_t, bar[t])
                predicted = np.sqrt(1 / bar[t]) * x_t - np.sqrt(1 / bar[t] - 1) * predicted_eps
                predicted = predicted.clip(-1, 1) if clip else predicted
                a, b = c["posterior_mean_of_x_0"][t], c["posterior_mean_of_x_t"][t]
                mean, true_mean, lv = a * predicted + b * x_t, a * x_0 + b * x_t, log_variance[t]
                kl = 0.5 * (-1 + lv - small[t] + np.exp(small[t] - lv) + (true_mean - mean) ** 2 * np.exp(-lv))
                inverse = np.exp(-0.5 * lv)
                above, below = cdf((x_0 - mean + 1 / 255) * inverse), cdf((x_0 - mean - 1 / 255) * inverse)
                log = lambda v: np.log(np.maximum(v, 1e-12))
                nll = -np.where(x_0 < -0.999, log(above), np.where(x_0 > 0.999, log(1 - below), log(above - below)))
                rows["vlb"].append(flat(nll if t == 0 else kl) / np.log(2))
                rows["eps_mse"].append(flat((predicted_eps - eps) ** 2))
                rows["x_0_mse"].append(flat((predicted - x_0) ** 2))
            for key, value in rows.items():
                tensors[f"{name}_{'clip' if clip else 'free'}.{key}"] = np.stack(value, axis=1)
    save_file(tensors, CORE / "likelihood.safetensors", {"versions": VERSIONS})


def ema() -> None:
    cases = []
    for options in [{}, {"decay": 0.999}, {"use_ema_warmup": True, "inv_gamma": 1.0, "power": 0.75}, {"update_after_step": 5}]:
        model = EMAModel([torch.zeros(1, requires_grad=True)], **options)
        at = [*range(1, 21), 100, 1000, 10000]
        cases.append({"options": options, "at": at, "decay": [float(model.get_decay(i)) for i in at]})
    (CORE / "ema.json").write_text(json.dumps({"versions": VERSIONS, "cases": cases}, indent=1) + "\n")


def frechet() -> None:
    rng = np.random.default_rng(3)
    tensors = {}
    for name, rows, width in [("full_rank", 200, 16), ("wide", 400, 64)]:
        a = rng.standard_normal((rows, width)).astype(np.float32)
        b = (rng.standard_normal((rows, width)) @ rng.standard_normal((width, width)) * 0.3 + 0.5).astype(np.float32)
        moments = lambda v: (v.astype(np.float64).mean(0), np.cov(v.astype(np.float64), rowvar=False))
        tensors[f"{name}.a"], tensors[f"{name}.b"] = a, b
        tensors[f"{name}.distance"] = np.array([calculate_frechet_distance(*moments(a), *moments(b))])
    save_file(tensors, METRICS / "fid.safetensors", {"versions": VERSIONS})


if __name__ == "__main__":
    for directory in [CORE, METRICS]:
        directory.mkdir(parents=True, exist_ok=True)
    schedules()
    samplers()
    solvers()
    likelihood()
    learned_bound()
    ema()
    frechet()
