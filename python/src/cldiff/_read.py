"""``cldiff.read``: what a run has left, as DataFrames, arrays and images."""

import json
import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from ._program import CldiffError

_TEXT = ("run", "label", "strategy", "metric", "statistic", "block", "other", "reason")
_NUMBERS = ("value",)
_SIGNIFICANT = 0.05


def read(run: str | os.PathLike[str]) -> "Run":
    """Reads the directory of a run that has results.

    Raises FileNotFoundError if it has none (yet).
    """
    return Run(Path(run))


class Run:
    """A finished run. Tasks are counted from 0, as in ``results.json``."""

    path: Path
    """The run directory."""
    results: dict[str, Any]
    """``results.json`` as it stands; docs/results.md of the project says what its keys are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = path / "results.json"
        if not file.is_file():
            hint = ": it has not finished; go on with it by resume=True" if path.is_dir() else ""
            raise FileNotFoundError(f"{path} holds no results{hint}")
        self.results = json.loads(file.read_text(encoding="utf-8"))
        if self.results.get("schema") != 1:
            raise CldiffError(f"{file}: schema {self.results.get('schema')}: expected 1", 2)

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<cldiff run {self.results['name']!r} in {self.path}: {len(self.results['cells'])} cells{failed}>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every number as a row: what was measured, in which cell, after which task and on which (``results.csv``)."""
        file = self.path / "results.csv"
        header = file.read_text(encoding="utf-8").split("\n", 1)[0].split(",")
        dtypes = {name: _dtype(name) for name in header}
        # A name may be "NA" or "null"; only an empty field is missing.
        return pd.read_csv(file, dtype=cast(Any, dtypes), keep_default_na=False, na_values=[""])

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration, with everything filled in."""
        return tomllib.loads((self.path / "config.toml").read_text(encoding="utf-8"))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Where and with what the run was made."""
        text = (self.path / "manifest.json").read_text(encoding="utf-8")
        return cast(dict[str, Any], json.loads(text))

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The tasks of the stream: ``name``, ``classes``, and the numbers of images ``train`` and ``eval``."""
        return cast(list[dict[str, Any]], self.results["stream"]["tasks"])

    @property
    def labels(self) -> list[str]:
        """The labels of the strategies, in the order of the configuration."""
        return list(dict.fromkeys(cell["label"] for cell in self.results["cells"]))

    @property
    def seeds(self) -> list[int]:
        """The seeds of the finished cells."""
        return sorted({cell["seed"] for cell in self.results["cells"]})

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Cells without results: ``strategy``, ``label``, ``seed`` and ``reason``."""
        return cast(list[dict[str, Any]], self.results.get("failed", []))

    @property
    def report(self) -> Path:
        """The report, for a browser."""
        return self.path / "report.html"

    def cell(self, label: str, seed: int | None = None) -> dict[str, Any]:
        """The results of one cell. Without a seed: of the only one that there is.

        Raises KeyError if there is no such cell, or several.
        """
        found = [
            cell
            for cell in self.results["cells"]
            if cell["label"] == label and (seed is None or cell["seed"] == seed)
        ]
        if not found:
            raise KeyError(f"no cell {label!r} with seed {seed}; labels {self.labels}, seeds {self.seeds}")
        if len(found) > 1:
            raise KeyError(f"{label!r} has the seeds {self.seeds}: name one")
        return cast(dict[str, Any], found[0])

    def matrix(self, metric: str, label: str, seed: int | None = None) -> npt.NDArray[np.float64]:
        """The evaluation matrix of a metric: row k is after task k, column j on task j; NaN is what was not measured.

        Raises KeyError if there is no such metric or cell.
        """
        matrices = self.cell(label, seed)["matrices"]
        if metric not in matrices:
            raise KeyError(f"no matrix of {metric!r}; there are {sorted(matrices)}")
        return np.array(matrices[metric], dtype=np.float64)

    @property
    def metrics(self) -> list[str]:
        """The metrics that have an evaluation matrix."""
        cells = self.results["cells"]
        return list(dict.fromkeys(metric for cell in cells for metric in cell["matrices"]))

    def _directory(self, label: str, seed: int | None) -> Path:
        return self.path / "cells" / f"{label}-{self.cell(label, seed)['seed']}"

    def _after(self, task: int | None) -> str:
        k = len(self.tasks) - 1 if task is None else range(len(self.tasks))[task]
        return f"after-task-{k + 1}"

    def samples(self, label: str, seed: int | None = None, after_task: int | None = None) -> Image.Image:
        """Samples of each task seen, a row a task, as one picture; after the last task unless another is named."""
        file = self._directory(label, seed) / "samples" / f"{self._after(after_task)}.png"
        with Image.open(file) as picture:
            picture.load()
            return picture

    def sample_array(
        self, label: str, seed: int | None = None, after_task: int | None = None
    ) -> npt.NDArray[np.uint8]:
        """The samples of :meth:`samples` as pixels: tasks seen x samples x height x width x 3."""
        k = len(self.tasks) - 1 if after_task is None else range(len(self.tasks))[after_task]
        return self._cut(self.samples(label, seed, after_task))[: k + 1]

    @property
    def real(self) -> Image.Image:
        """Real images of each task, a row a task."""
        with Image.open(self.path / "real.png") as picture:
            picture.load()
            return picture

    def _cut(self, picture: Image.Image) -> npt.NDArray[np.uint8]:
        """A grid in its images: one transparent pixel is between two of them. It is as wide as its longest row."""
        pixels = np.asarray(picture.convert("RGBA"), dtype=np.uint8)
        padded = np.pad(pixels, ((0, 1), (0, 1), (0, 0)))
        # Every row that has images begins with one, and the first column of pixels without any is the gap behind it.
        opaque: npt.NDArray[np.bool_] = np.any(padded[:, :, 3] > 0, axis=0)
        width = int(np.argmin(opaque)) + 1 if opaque[0] else padded.shape[1]
        rows, columns = len(self.tasks), padded.shape[1] // width
        height = padded.shape[0] // rows
        cells = padded[:, :, :3].reshape(rows, height, columns, width, 3).transpose(0, 2, 1, 3, 4)
        return np.ascontiguousarray(cells[:, :, : height - 1, : width - 1])

    def model(self, label: str, seed: int | None = None, after_task: int | None = None) -> Path:
        """The directory of a model, for :func:`cldiff.load`; after the last task unless another is named."""
        return self._directory(label, seed) / "checkpoints" / self._after(after_task)

    @property
    def verdicts(self) -> pd.DataFrame:
        """Paired differences of two strategies over the seeds that both have, one row for each quality and pair.

        ``mean`` is the mean of ``label`` minus ``other``; ``low`` and ``high`` are the ends of its 95 % interval, of that
        pair by itself; ``p_holm`` is corrected over all pairs of the quality. ``differs`` is whether ``p_holm`` is at most
        0.05; it is missing where there is no verdict: below five seeds, and beside a bound.
        """
        rows = self.table
        # A bound's name, or a reason, makes no verdict: only numbers of differences do.
        rows = rows[rows["metric"].str.endswith(".difference") & rows["value"].notna()]
        keys = ["metric", "label", "other"]
        wide = rows.pivot(index=keys, columns="statistic", values="value")
        wide = wide.reindex(columns=["n", "mean", "standard_deviation", "low", "high", "p_holm"]).reset_index()
        wide["metric"] = wide["metric"].str.removesuffix(".difference")
        differs = (wide["p_holm"] <= _SIGNIFICANT).astype("boolean")
        wide["differs"] = differs.mask(wide["p_holm"].isna())
        wide.columns.name = None
        return wide.rename(columns={"metric": "quality"})


def _dtype(column: str) -> str:
    if column in _TEXT:
        return "string"
    return "float64" if column in _NUMBERS else "Int64"
