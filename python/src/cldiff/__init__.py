"""Continual learning of diffusion models: run the program ``cldiff``, and read what it leaves.

- :func:`run` starts a benchmark, shows how far it is, and returns its results.
- :func:`read` reads the directory of a finished run.
- :func:`load` opens a model of a run, or an exported one, as a pipeline of diffusers.

The training is the program's, in Rust; nothing is trained in Python.
"""

from ._load import load
from ._program import CldiffError, program
from ._read import Run, read
from ._run import run

__all__ = ["CldiffError", "Run", "load", "program", "read", "run"]
