"""Compares `cldiff metric` with the Python references on random features of 64 and of 2048 dimensions.

    python tools/parity/metrics.py target/debug/cldiff [--rows 5000]

References: pytorch-fid, torchmetrics (FID; at 2048 dimensions its eigenvalues take minutes), torch-fidelity (KID, Inception
score, precision and recall), prdc (density and coverage). Draws differ from program to program: KID is compared on
subsets of all rows, the score on one split. Exit status 1 if anything is off by more than 1e-6.
"""

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from safetensors.numpy import save_file
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.fid import _compute_fid


def features(rng, rows: int, width: int, scale: float) -> np.ndarray:
    return np.maximum(rng.normal(size=(rows, width)) * scale + 0.2, 0).astype(np.float32)


def moments(x: np.ndarray):
    x = x.astype(np.float64)
    return x.mean(0), np.cov(x, rowvar=False)


class Comparison:
    def __init__(self, program: str, directory: Path):
        self.program, self.directory, self.worst = program, directory, 0.0

    def ours(self, *arguments: str) -> dict:
        command = [self.program, "metric", *arguments, "--json"]
        start = time.perf_counter()
        output = subprocess.run(command, cwd=self.directory, check=True, capture_output=True, text=True).stdout
        self.seconds = time.perf_counter() - start
        return json.loads(output)

    def compare(self, width: int, key: str, found: dict, expected: dict) -> None:
        """`expected` maps a program to its value."""
        for program, value in expected.items():
            off = abs(found[key] / value - 1) if value else abs(found[key])
            self.worst = max(self.worst, off)
            print(f"{width:5} {key:18} {found[key]:<22.12g} {program:16} {value:<22.12g} off by {off:.1e} ({self.seconds:.1f} s)")

    def run(self, width: int, rows: int) -> None:
        rng = np.random.default_rng(width)
        a, b = features(rng, rows, width, 1.0), features(rng, rows, width, 1.05)
        save_file({"features": a}, self.directory / "a.safetensors")
        save_file({"features": b}, self.directory / "b.safetensors")
        pair = ["a.safetensors", "b.safetensors"]
        statistics = (*moments(a), *moments(b))
        references = {"pytorch-fid": calculate_frechet_distance(*statistics)}
        if width < 1000:
            references["torchmetrics"] = _compute_fid(*map(torch.from_numpy, statistics)).item()
        self.compare(width, "fid", self.ours("fid", *pair), references)
        n = min(rows, 1000)
        save_file({"features": a[:n]}, self.directory / "c.safetensors")
        save_file({"features": b[:n]}, self.directory / "d.safetensors")
        pair, ta, tb = ["c.safetensors", "d.safetensors"], torch.from_numpy(a[:n]), torch.from_numpy(b[:n])
        kid = kid_features_to_metric(
            ta.double(), tb.double(), kid_subsets=1, kid_subset_size=n, rng_seed=0, verbose=False,
        )["kernel_inception_distance_mean"]
        found = self.ours("kid", *pair, "--subsets", "1", "--subset-size", str(n))
        self.compare(width, "kid", found, {"torch-fidelity": kid})
        score = isc_features_to_metric(tb, splits=1, shuffle=False)["inception_score_mean"]
        found = self.ours("inception-score", "d.safetensors", "--splits", "1")
        self.compare(width, "inception_score", found, {"torch-fidelity": score})
        with contextlib.redirect_stdout(io.StringIO()):
            three, five = compute_prdc(a[:n], b[:n], 3), compute_prdc(a[:n], b[:n], 5)
        fidelity = prc_features_to_metric(tb.double(), ta.double(), prc_neighborhood=3, verbose=False)
        found = self.ours("precision-recall", *pair)
        for key in ["precision", "recall"]:
            self.compare(width, key, found, {"prdc": three[key], "torch-fidelity": float(np.round(fidelity[key] * n) / n)})
        found = self.ours("density-coverage", *pair)
        for key in ["density", "coverage"]:
            self.compare(width, key, found, {"prdc": five[key]})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rows", type=int, default=5000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        comparison = Comparison(str(Path(arguments.program).resolve()), Path(directory))
        for width in [64, 2048]:
            comparison.run(width, arguments.rows)
    print(f"largest difference {comparison.worst:.1e}")
    sys.exit(comparison.worst > 1e-6)


if __name__ == "__main__":
    main()
