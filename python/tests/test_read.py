"""Reading: the table, matrices, samples and verdicts agree with the files of the run."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import cldiff


def test_a_run_says_what_it_is(smoke: cldiff.Run) -> None:
    assert smoke.labels == ["finetune", "replay-1"]
    assert (smoke.seeds, smoke.failed) == ([0], [])
    assert [task["train"] for task in smoke.tasks] == [300, 300]
    assert "2 cells" in repr(smoke)
    assert smoke.config["training"]["steps_per_experience"] == 40
    assert smoke.manifest["backend"] == "flex"
    assert smoke.report.is_file()
    assert any((smoke.path / "cells/finetune-0").glob("events.out.tfevents.*"))
    with pytest.raises(FileNotFoundError, match="no results"):
        cldiff.read("/no/such/run")


def test_the_table_has_types_and_every_entry_of_the_matrices(smoke: cldiff.Run) -> None:
    table = smoke.table
    assert (table["metric"].dtype, table["seed"].dtype, table["value"].dtype) == ("string", "Int64", "float64")
    assert "fid" in smoke.metrics and "bpd" in smoke.metrics
    for label in smoke.labels:
        for metric in ("fid", "bpd"):
            matrix = smoke.matrix(metric, label)
            assert matrix.shape == (2, 2) and np.isnan(matrix[0, 1]) == (metric == "fid")
            rows = table.query("metric == @metric and label == @label and statistic == 'value'")
            pivot = rows.pivot(index="after_task", columns="on_task", values="value")
            np.testing.assert_array_equal(pivot.to_numpy(dtype=float), matrix)
    with pytest.raises(KeyError, match="no matrix of 'nothing'"):
        smoke.matrix("nothing", "finetune")
    with pytest.raises(KeyError, match="no cell 'ewc'"):
        smoke.matrix("fid", "ewc")


def test_samples_are_pictures_and_arrays(smoke: cldiff.Run) -> None:
    columns = smoke.config["evaluation"]["grid_columns"]
    picture = smoke.samples("replay-1", after_task=1)
    assert picture.size == (9 * columns - 1, 9 * 2 - 1)
    assert picture.tobytes() == smoke.samples("replay-1").tobytes() == smoke.samples("replay-1", 0, -1).tobytes()
    images = smoke.sample_array("replay-1")
    assert images.shape == (2, columns, 8, 8, 3) and images.dtype == np.uint8
    pixels = np.asarray(picture)
    np.testing.assert_array_equal(images[1, 2], pixels[9:17, 18:26, :3])
    # After the first task there are samples of that task alone.
    assert smoke.sample_array("replay-1", after_task=0).shape == (1, columns, 8, 8, 3)
    assert smoke.real.size == picture.size
    with pytest.raises(IndexError):
        smoke.samples("replay-1", after_task=2)


def test_a_picture_with_few_images_is_cut_where_they_end(tmp_path: Path) -> None:
    cells: list[dict[str, object]] = [{"label": "a", "seed": 0, "matrices": {}}]
    run = written(tmp_path / "run", [], cells)
    samples = run.path / "cells" / "a-0" / "samples"
    samples.mkdir(parents=True)
    # Two images of 3 x 2 pixels (height x width), black and 7, with a transparent column between them.
    pixels = np.zeros((3, 5, 4), dtype=np.uint8)
    pixels[:, [0, 1, 3, 4], 3] = 255
    pixels[:, 3:, :3] = 7
    Image.fromarray(pixels).save(samples / "after-task-1.png")
    images = run.sample_array("a")
    assert images.shape == (1, 2, 3, 2, 3)
    assert (images[0, 0] == 0).all() and (images[0, 1] == 7).all()
    # Of a task without any sample there is room for one.
    Image.fromarray(np.zeros((3, 2, 4), dtype=np.uint8)).save(samples / "after-task-1.png")
    assert run.sample_array("a").shape == (1, 1, 3, 2, 3)


def test_one_seed_makes_no_verdict(smoke: cldiff.Run) -> None:
    verdicts = smoke.verdicts
    assert len(verdicts) > 0 and set(verdicts["n"]) == {1.0}
    assert verdicts["differs"].isna().all() and verdicts["p_holm"].isna().all()
    fid = verdicts[verdicts["quality"] == "fid.final_average"].iloc[0]
    ours = smoke.cell(fid["label"])["summary"]["fid.final_average"]
    theirs = smoke.cell(fid["other"])["summary"]["fid.final_average"]
    assert fid["mean"] == pytest.approx(ours - theirs, rel=1e-12)


def written(path: Path, rows: list[str], cells: list[dict[str, object]]) -> cldiff.Run:
    """A run directory with these numbers."""
    path.mkdir()
    results = {"schema": 1, "name": "NA", "stream": {"tasks": [{}]}, "cells": cells}
    (path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    header = "run,label,strategy,seed,metric,statistic,after_task,other,value,reason"
    (path / "results.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return cldiff.read(path)


def test_verdicts_are_those_of_the_table(tmp_path: Path) -> None:
    def rows(label: str, other: str, **numbers: float) -> list[str]:
        return [f",{label},,,fid.forgetting.difference,{name},,{other},{value}," for name, value in numbers.items()]

    run = written(
        tmp_path / "run",
        [
            *rows("NA", "b", n=5, mean=-2.5, standard_deviation=0.5, low=-3, high=-2, p_holm=0.05),
            *rows("NA", "null", n=5, mean=1, standard_deviation=2, low=-1, high=3, p_holm=0.0501),
            *rows("b", "joint", n=5, mean=4, standard_deviation=1, low=3, high=5),
            'NA,NA,NA,7,fid.forgetting,value,,,,"a stream of ""one"" task, has nothing to forget"',
        ],
        [],
    )
    verdicts = run.verdicts.set_index(["label", "other"])
    assert verdicts.loc[("NA", "b"), "differs"] and verdicts.loc[("NA", "b"), "mean"] == -2.5
    assert not verdicts.loc[("NA", "null"), "differs"]
    assert verdicts.loc[("b", "joint"), "differs"] is pd.NA
    missing = run.table[run.table["value"].isna()].iloc[0]
    assert missing["reason"] == 'a stream of "one" task, has nothing to forget'
    assert (missing["run"], missing["seed"]) == ("NA", 7) and missing["after_task"] is pd.NA


def test_a_seed_is_named_where_there_are_several(tmp_path: Path) -> None:
    cells: list[dict[str, object]] = [
        {"label": "a", "seed": seed, "matrices": {"fid": [[seed, None]]}} for seed in (3, 1)
    ]
    run = written(tmp_path / "run", [], cells)
    assert run.seeds == [1, 3]
    np.testing.assert_array_equal(run.matrix("fid", "a", 3), [[3, np.nan]])
    with pytest.raises(KeyError, match="name one"):
        run.matrix("fid", "a")


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"schema": 2}', encoding="utf-8")
    with pytest.raises(cldiff.CldiffError, match="schema 2"):
        cldiff.read(tmp_path)
