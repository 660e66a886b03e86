"""Writes the fixture of the tests of data copying and of the Vendi score.

    python tools/golden/copies.py DATA_COPYING VENDI    # crates/cl-metrics/tests/fixtures/copies.json

DATA_COPYING is a checkout of github.com/casey-meehan/data-copying (C_T by its data_copying_tests.py), VENDI one of
github.com/vertaix/Vendi-Score (its vendi.py). Authenticity is by the formula of Alaa et al. 2022, with scikit-learn's
neighbours: the code of github.com/vanderschaarlab/evaluating-generative-models takes positions among samples for
positions among real images. The relative distance of Carlini et al. 2023 has no published code: by its formula.
"""

import importlib.util
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu
from sklearn.neighbors import NearestNeighbors

OUT = Path(__file__).resolve().parents[2] / "crates/cl-metrics/tests/fixtures/copies.json"


def module(root: str, path: str):
    found = next(Path(root).rglob(path))
    spec = importlib.util.spec_from_file_location(found.stem, found)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def neighbours(train: np.ndarray, points: np.ndarray, k: int):
    return NearestNeighbors(n_neighbors=k).fit(train).kneighbors(points)


def main(copying: str, vendi: str) -> None:
    rng = np.random.default_rng(3)
    draw = lambda n, scale, shift: np.float32(np.round(rng.normal(size=(n, 3)) * scale + shift, 2))
    train, held_out = draw(60, 1.0, 0.0), draw(70, 1.0, 0.0)
    samples = np.concatenate([draw(60, 1.2, 0.3), np.float32(np.round(train[:30] + draw(30, 0.05, 0.0), 2))])
    labels = (train[:, 0] > 0.3).astype(int) + (train[:, 1] > 0.5)

    # The cell of an image is the class of its nearest training image.
    cell = lambda points: labels[neighbours(train, points, 1)[1][:, 0]]
    tests = module(copying, "data_copying_tests.py")
    # Columns of one number: SciPy of that time made one statistic of them.
    tests.mannwhitneyu = lambda a, b, alternative: mannwhitneyu(a.ravel(), b.ravel(), alternative=alternative)
    c_t = tests.C_T(held_out, cell(held_out), samples, cell(samples), train, labels, tau=20 / len(samples))

    to_train, nearest = neighbours(train, samples, 1)
    to_other = neighbours(train, train, 2)[0][:, 1]
    authentic = float(np.mean(to_train[:, 0] > to_other[nearest[:, 0]]))
    near = neighbours(train, samples, 50)[0]
    score = module(vendi, "vendi.py")
    values = {
        "train": train.tolist(), "labels": labels.tolist(), "held_out": held_out.tolist(), "samples": samples.tolist(),
        "samples_per_cell": np.bincount(cell(samples), minlength=3).tolist(),
        "c_t": float(c_t), "authenticity": authentic, "relative": (near[:, 0] / near.mean(1)).tolist(),
        "vendi": float(score.score_dual(samples.astype(np.float64))),
        "vendi_of_few": float(score.score_dual(samples[:2].astype(np.float64))),
        "versions": {name: version(name) for name in ["numpy", "scipy", "scikit-learn"]},
    }
    print({key: value for key, value in values.items() if not isinstance(value, list)}, values["samples_per_cell"])
    rounded = lambda value: [rounded(v) for v in value] if isinstance(value, list) else (
        float(f"{value:.9g}") if isinstance(value, float) else value)
    OUT.write_text(json.dumps({key: rounded(value) for key, value in values.items()}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
