"""GEM's quadratic problems, solved by SciPy: crates/cl-strategies/tests/fixtures/gem.json.

    pip install numpy scipy
    python tools/golden/gem.py

The v >= margin that minimises 1/2 v^T P v + q^T v with P = G G^T and q = G g is that which minimises |G^T v + g|, a least
squares problem with bounds, which scipy.optimize.lsq_linear (bounded variables, exact) solves.
"""

import json
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import lsq_linear

OUT = Path(__file__).parents[2] / "crates/cl-strategies/tests/fixtures/gem.json"


def main():
    rng = np.random.default_rng(0)
    cases = []
    sizes = [(1, 4, 0.0), (2, 5, 0.0), (3, 8, 0.5), (4, 6, 0.1), (5, 20, 0.0), (6, 6, 0.3)]
    for i, (past, width, margin) in enumerate(sizes):
        gradients = rng.normal(size=(past, width))
        # Strongly against all past gradients, or hardly: no bound holds, or some do.
        g = rng.normal(size=width) - (3 if i % 2 == 0 else 0.3) * gradients.sum(axis=0)
        solved = lsq_linear(gradients.T, -g, bounds=(margin, np.inf), method="bvls", tol=1e-14)
        assert solved.success
        cases.append({"past": gradients.tolist(), "g": g.tolist(), "margin": margin, "v": solved.x.tolist()})
    OUT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"scipy": scipy.__version__, "numpy": np.__version__, "cases": cases}, indent=1)
    OUT.write_text(text + "\n")


if __name__ == "__main__":
    main()
