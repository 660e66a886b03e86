"""Student's t, Holm's correction and the power of verdicts from scipy and statsmodels, for
crates/cl-metrics/tests/parity_verdicts.rs.

The power is that of telling two methods apart whose differences have a mean of two standard deviations: exact for two
methods, from the noncentral t distribution; simulated for six and 25, of which one is shifted against all the others.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests

OUT = Path(__file__).parents[2] / "crates/cl-metrics/tests/fixtures/verdicts.json"
ERROR = 0.05
EFFECT = 2.0

rng = np.random.default_rng(0)


def columns():
    """Values of some methods over seeds, the adjusted p-value of each pair, and each method's 95 % interval."""
    for methods, seeds, shift in [(2, 5, 1.0), (4, 5, 3.0), (6, 10, 0.5), (5, 7, 0.0)]:
        values = 20 + 5 * rng.standard_normal(seeds) + rng.standard_normal((methods, seeds))
        values += shift * np.arange(methods)[:, None]
        pairs = list(itertools.combinations(range(methods), 2))
        p = [stats.ttest_rel(values[a], values[b]).pvalue for a, b in pairs]
        adjusted = multipletests(p, method="holm")[1]
        interval = [stats.t.interval(0.95, seeds - 1, v.mean(), stats.sem(v)) for v in values]
        yield {
            "values": values.tolist(),
            "p": list(map(float, p)),
            "holm": list(map(float, adjusted)),
            "intervals": [[float(end) for end in ends] for ends in interval],
        }


def exact_power(seeds):
    df, shift = seeds - 1, EFFECT * np.sqrt(seeds)
    t = stats.t.isf(ERROR / 2, df)
    return float(stats.nct.sf(t, df, shift) + stats.nct.cdf(-t, df, shift))


def simulated_power(methods, seeds, repetitions):
    """The share of pairs with the shifted method that Holm's procedure rejects."""
    told = 0
    for start in range(0, repetitions, 1000):
        values = rng.standard_normal((1000, methods, seeds))
        values[:, 0] += EFFECT * np.sqrt(2)  # A difference of two has a standard deviation of sqrt(2).
        a, b = np.triu_indices(methods, 1)
        difference = values[:, a] - values[:, b]
        t = difference.mean(2) / (difference.std(2, ddof=1) / np.sqrt(seeds))
        p = 2 * stats.t.sf(abs(t), seeds - 1)
        order = np.argsort(p, axis=1)
        p_sorted = np.take_along_axis(p, order, axis=1)
        steps = np.maximum.accumulate(p_sorted * np.arange(p.shape[1], 0, -1), axis=1)
        adjusted = np.empty_like(p)
        np.put_along_axis(adjusted, order, steps, axis=1)
        told += (adjusted[:, a == 0] <= ERROR).sum()
    return told / repetitions / (methods - 1)


power = [{"methods": 2, "seeds": seeds, "power": exact_power(seeds)} for seeds in (5, 10)]
power += [
    {"methods": methods, "seeds": seeds, "power": float(simulated_power(methods, seeds, repetitions))}
    for methods, repetitions in ((6, 100_000), (25, 20_000))
    for seeds in (5, 10)
]
quantiles = [
    {"df": df, "p": p, "t": float(stats.t.isf(p / 2, df))}
    for df in (1, 2, 4, 9, 24, 99)
    for p in (0.5, 0.05, 0.05 / 15, 0.05 / 300)
]
made = f"scipy {scipy.__version__}, statsmodels {statsmodels.__version__}, numpy {np.__version__}"
fixture = {"made_with": made, "columns": list(columns()), "quantiles": quantiles, "power": power}
OUT.write_text(json.dumps(fixture, indent=1) + "\n")
for entry in power:
    print(entry)
