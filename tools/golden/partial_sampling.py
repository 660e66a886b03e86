"""The divergence of one model's next step from another's, by the code of KamilDeja/analysing_ddgm:
crates/cl-strategies/tests/fixtures/partial_sampling.json.

    git clone https://github.com/KamilDeja/analysing_ddgm
    pip install torch numpy
    python tools/golden/partial_sampling.py analysing_ddgm

`calculate_loss_previous_task` compares two models by `normal_kl` of their `p_mean_variance`, unclipped, the teacher's
first, `mean_flat` over log 2. Its modules that need MPI or a GPU are replaced by empty ones; none of them takes part.
"""

import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

OUT = Path(__file__).parents[2] / "crates/cl-strategies/tests/fixtures/partial_sampling.json"


def reference(checkout):
    """The module gaussian_diffusion of the checkout."""
    package = types.ModuleType("guided_diffusion")
    package.__path__ = [str(Path(checkout) / "guided_diffusion")]
    sys.modules["guided_diffusion"] = package
    empty = {
        "logger": [],
        "dist_util": ["dev"],
        "dist_util_titan": ["dev"],
        "lap_loss": ["LapLoss"],
        "two_parts_model": ["TwoPartsUNetModel"],
        "resample": ["TaskAwareSampler"],
    }
    for name, members in empty.items():
        module = types.ModuleType(f"guided_diffusion.{name}")
        for member in members:
            setattr(module, member, type(member, (), {}))
        sys.modules[module.__name__] = module
        setattr(package, name, module)
    sys.modules["guided_diffusion.dist_util"].dev = lambda: "cpu"
    return importlib.import_module("guided_diffusion.gaussian_diffusion")


def main():
    gd = reference(sys.argv[1])
    rng = np.random.default_rng(0)
    shape, t = (5, 2, 1, 2), [0, 1, 60, 400, 999]
    x_t = rng.normal(size=shape).astype(np.float32)
    kinds = {
        "fixed_small": gd.ModelVarType.FIXED_SMALL,
        "fixed_large": gd.ModelVarType.FIXED_LARGE,
        "learned_range": gd.ModelVarType.LEARNED_RANGE,
    }
    cases = []
    for name, kind in kinds.items():
        channels = shape[1] * (2 if name == "learned_range" else 1)
        outputs = [rng.normal(size=(shape[0], channels, *shape[2:])).astype(np.float32) for _ in range(2)]
        process = gd.GaussianDiffusion(
            betas=np.linspace(1e-4, 0.02, 1000),
            model_mean_type=gd.ModelMeanType.EPSILON,
            model_var_type=kind,
            loss_type=gd.LossType.MSE,
            use_lap_loss=False,
        )
        x, steps = torch.from_numpy(x_t).double(), torch.tensor(t)
        teacher, student = (
            process.p_mean_variance(lambda x, t, out=out: torch.from_numpy(out).double(), x, steps, clip_denoised=False)
            for out in outputs
        )
        bits = gd.normal_kl(teacher["mean"], teacher["log_variance"], student["mean"], student["log_variance"])
        bits = gd.mean_flat(bits) / np.log(2.0)
        flat = [out.reshape(-1).tolist() for out in outputs]
        cases.append({"variance": name, "teacher": flat[0], "student": flat[1], "bits": bits.tolist()})
    versions = {"torch": torch.__version__, "numpy": np.__version__, "analysing_ddgm": "c31f49863f24"}
    fixture = {"made_by": versions, "shape": shape, "t": t, "x_t": x_t.reshape(-1).tolist(), "cases": cases}
    OUT.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
