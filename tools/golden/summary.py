"""Bootstrap intervals of means from scipy, for crates/cl-metrics/tests/parity_bootstrap.rs.

Many resamples, so that what is left of their randomness is small beside the interval.
"""

from pathlib import Path

import numpy as np
import scipy
from safetensors.numpy import save_file
from scipy import stats

OUT = Path(__file__).parents[2] / "crates/cl-metrics/tests/fixtures/bootstrap.safetensors"

rng = np.random.default_rng(0)
cases = {
    "three": rng.normal(10.0, 2.0, 3),
    "five": rng.normal(0.3, 1.0, 5),
    "skewed": rng.exponential(1.0, 12),
    "many": rng.gamma(0.5, 3.0, 40),
}
tensors = {}
for name, values in cases.items():
    found = stats.bootstrap((values,), np.mean, n_resamples=400_000, batch=20_000, method="BCa",
                            confidence_level=0.95, random_state=np.random.default_rng(1))
    interval = found.confidence_interval
    tensors[f"{name}.values"] = values
    tensors[f"{name}.interval"] = np.array([interval.low, interval.high])
    tensors[f"{name}.deviation"] = np.array([np.std(values, ddof=1)])
save_file(tensors, OUT, metadata={"scipy": scipy.__version__, "numpy": np.__version__})
