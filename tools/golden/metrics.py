"""Writes the fixture of the sample metrics: random features, and what the field's own code makes of them.

    python tools/golden/metrics.py     # crates/cl-metrics/tests/fixtures/metrics.safetensors

FID by pytorch-fid, torchmetrics and torch-fidelity; KID and Inception score by torch-fidelity (the latter also by
torchmetrics, compared here); precision and recall by torch-fidelity and prdc; density and coverage by prdc.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from safetensors.numpy import save_file
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.inception import InceptionScore

OUT = Path(__file__).resolve().parents[2] / "crates/cl-metrics/tests/fixtures/metrics.safetensors"
PACKAGES = ["numpy", "scipy", "torch", "pytorch-fid", "torchmetrics", "torch-fidelity", "prdc"]


def features(rng, rows: int, width: int, scale: float, shift: float) -> np.ndarray:
    """Correlated and not Gaussian, as a network's features are: rectified sums."""
    mix = np.random.default_rng(0).normal(size=(width, width)) / width**0.5
    return np.maximum(rng.normal(size=(rows, width)) @ mix * scale + shift, 0).astype(np.float32)


def moments(x: np.ndarray):
    x = x.astype(np.float64)
    return x.mean(0), np.cov(x, rowvar=False)


def frechet(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    (mu_a, sigma_a), (mu_b, sigma_b) = moments(a), moments(b)
    tensors = [torch.from_numpy(v) for v in (mu_a, sigma_a, mu_b, sigma_b)]
    fidelity = fid_statistics_to_metric(
        {"mu": mu_a, "sigma": sigma_a}, {"mu": mu_b, "sigma": sigma_b}, verbose=False
    )["frechet_inception_distance"]
    return np.array([
        calculate_frechet_distance(mu_a, sigma_a, mu_b, sigma_b), _compute_fid(*tensors).item(), fidelity,
    ])


def main() -> None:
    rng = np.random.default_rng(1)
    a, b = features(rng, 160, 64, 1.0, 0.3), features(rng, 120, 64, 1.2, 0.2)
    few = features(rng, 40, 64, 0.9, 0.4)
    logits = rng.normal(size=(120, 10)).astype(np.float32) * 2
    # KID in double precision: a difference of sums of cubes keeps few digits of single precision.
    ta, tb = torch.from_numpy(a[:120]).double(), torch.from_numpy(b).double()
    kid = kid_features_to_metric(ta, tb, kid_subsets=2, kid_subset_size=120, rng_seed=0, verbose=False)
    score = isc_features_to_metric(torch.from_numpy(logits), splits=4, shuffle=False)
    one = isc_features_to_metric(torch.from_numpy(logits), splits=1, shuffle=False)["inception_score_mean"]
    other = InceptionScore(feature=torch.nn.Identity(), splits=1)
    other.features.append(torch.from_numpy(logits))
    assert abs(other.compute()[0].item() / one - 1) < 1e-6
    fidelity = prc_features_to_metric(tb.float(), torch.from_numpy(a), prc_neighborhood=3, verbose=False)
    three, five = compute_prdc(a, b, 3), compute_prdc(a, b, 5)
    for name in ["precision", "recall"]:
        assert fidelity[name] == np.float32(three[name]), name
    values = {
        "fid": frechet(a, b),
        "fid.few": frechet(few, b),
        "kid": np.array([kid["kernel_inception_distance_mean"]]),
        "inception_score": np.array([score["inception_score_mean"], score["inception_score_std"]]),
        "precision_recall": np.array([three["precision"], three["recall"]]),
        "density_coverage": np.array([five["density"], five["coverage"]]),
    }
    for name, value in values.items():
        print(name, value)
    tensors = {"a": a, "b": b, "few": few, "logits": logits}
    tensors |= {f"expected.{name}": np.asarray(value, np.float64) for name, value in values.items()}
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    save_file(tensors, OUT, {"versions": versions})


if __name__ == "__main__":
    main()
