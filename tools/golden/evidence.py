"""Spearman's rank correlation, Student's t interval and Fieller's interval from scipy, for tests/evidence/parity.rs: values
with and without ties, values of a few seeds, and ratios of means. An end of Fieller's interval is a ratio r at which the t
test of a - r b is on its limit, found by bisection and not by the formula."""

import json
from pathlib import Path

import numpy as np
import scipy
from scipy import optimize, stats

ROOT = Path(__file__).parents[2]
OUT = ROOT / "tests/evidence/scipy.json"
rng = np.random.default_rng(0)


def pairs():
    for n, strength, digits in [(5, 1.0, 6), (12, 0.0, 6), (40, 0.7, 0), (60, -0.5, 1), (30, 0.3, 6)]:
        a = rng.standard_normal(n)
        b = strength * a + rng.standard_normal(n)
        yield a.round(digits), b.round(digits)


def seeds():
    for n, scale in [(3, 1.0), (5, 10.0), (5, 0.01), (10, 3.0), (25, 1.0)]:
        yield 20 + scale * rng.standard_normal(n)


def correlation(a, b):
    return {"a": a.tolist(), "b": b.tolist(), "spearman": float(stats.spearmanr(a, b).statistic)}


def interval(values):
    ends = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    return {"values": values.tolist(), "ends": [float(end) for end in ends]}


def ratio(a, b):
    limit = stats.t.ppf(0.975, len(a) - 1)

    def beyond(r):
        return abs(stats.ttest_1samp(a - r * b, 0).statistic) - limit

    middle = a.mean() / b.mean()
    ends = [optimize.brentq(beyond, middle, middle + side * 100, xtol=1e-13) for side in (-1, 1)]
    return {"a": a.tolist(), "b": b.tolist(), "ratio": float(middle), "ends": ends}


def ratios():
    for n, noise in [(3, 0.05), (5, 0.2), (5, 0.02), (10, 0.3)]:
        b = 2 + noise * rng.standard_normal(n)
        yield 0.8 * b + noise * rng.standard_normal(n), b


fixture = {
    "made_with": f"scipy {scipy.__version__}, numpy {np.__version__}",
    "correlations": [correlation(a, b) for a, b in pairs()],
    "intervals": [interval(values) for values in seeds()],
    "ratios": [ratio(a, b) for a, b in ratios()],
}
OUT.write_text(json.dumps(fixture, indent=1) + "\n")
