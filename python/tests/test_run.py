"""Running: settings, dicts as configurations, mistakes, progress, interruptions."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import cldiff
from cldiff import _progress, _settings


def test_the_program_is_there_and_is_the_module_too() -> None:
    said = subprocess.run([cldiff.program(), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("cldiff ")
    again = subprocess.run([sys.executable, "-m", "cldiff", "--version"], capture_output=True, text=True, check=True)
    assert again.stdout == said


def test_a_program_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLDIFF_PROGRAM", "/no/such/program")
    with pytest.raises(FileNotFoundError, match="CLDIFF_PROGRAM=/no/such/program"):
        cldiff.program()


def test_settings_are_toml() -> None:
    settings = {
        "seeds": range(2),
        "name": 'a "b" \\ é\n\x7f',
        "training": {"batch_size": np.int64(32), "ema": {"decay": 0.5}},
        "evaluation": {"hybrid_sampling": {}},
        "precise": [1e-5, float("inf"), True, np.float64(0.25), Path("a/b")],
        "strategy": {"replay-1": {"replay": {"buffer": [{"x": 1}]}}},
    }
    found = list(_settings.assignments(settings))
    assert [line.split("=", 1)[0] for line in found] == [
        "seeds",
        "name",
        "training.batch_size",
        "training.ema.decay",
        "evaluation.hybrid_sampling",
        "precise",
        "strategy.replay-1.replay.buffer",
    ]
    values = [tomllib.loads("value = " + line.split("=", 1)[1])["value"] for line in found]
    assert values == [
        [0, 1], 'a "b" \\ é\n\x7f', 32, 0.5, {}, [1e-5, float("inf"), True, 0.25, "a/b"], [{"x": 1}],
    ]
    document = {"seeds": np.array([3, 4]), "data": {"glyphs": {"size": 8}}, "strategy": [{"joint": {}}, {"ewc": {}}]}
    assert tomllib.loads(_settings.toml_document(document)) == {**document, "seeds": [3, 4]}
    with pytest.raises(TypeError, match="no value of a configuration"):
        _settings.toml_value(object())


def test_a_mistake_is_the_programs_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(cldiff.CldiffError) as caught:
        cldiff.run("smoke", out=tmp_path / "run", training={"batch_size": 0}, progress=False)
    assert caught.value.status == 2 and "\n" not in str(caught.value)
    assert "training.batch_size" in str(caught.value) and not str(caught.value).startswith("error")
    assert not (tmp_path / "run").exists()
    assert capfd.readouterr().err == ""
    with pytest.raises(ValueError, match="needs out"):
        cldiff.run("smoke", resume=True)


def test_a_dict_is_a_configuration_and_gives_the_same_numbers(smoke: cldiff.Run, tmp_path: Path) -> None:
    again = cldiff.run(
        smoke.config, out=tmp_path / "run", backend="flex", threads=2, strategies=["finetune"], progress=False
    )
    assert again.labels == ["finetune"]
    for metric in ("fid", "bpd"):
        np.testing.assert_array_equal(again.matrix(metric, "finetune"), smoke.matrix(metric, "finetune"))


def test_progress_is_read_from_the_logs(
    smoke: cldiff.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = _progress.Cells(smoke.path).lines()
    assert [line.split() for line in finished] == [["finetune-0", "finished"], ["replay-1-0", "finished"]]

    log = tmp_path / "cells/ewc-3/metrics.jsonl"
    log.parent.mkdir(parents=True)
    cells = _progress.Cells(tmp_path)
    assert cells.lines() == []
    steps = [
        ('{"event": "begun", "schema": 1}\n', "begins"),
        ('{"event": "train", "task": 1, "step": 20, "loss": 0.25}\n{"event": "tr', "task 2, step 20: loss 0.2500"),
        ('ain", "task": 1, "step": 40, "loss": 0.125}\n', "task 2, step 40: loss 0.1250"),
        ('{"event": "evaluation", "task": 1, "fid_pooled": 12.345}\n', "after task 2: FID over tasks seen 12.35"),
        ('{"event": "evaluation", "task": 1, "fid_pooled": null}\n', "after task 2: evaluated"),
        ('{"event": "resumed", "task": 1, "step": 7}\n', "goes on in task 2, step 7"),
    ]
    for added, expected in steps:
        with log.open("a", encoding="utf-8") as file:
            file.write(added)
        assert [line.split(maxsplit=1) for line in cells.lines()] == [["ewc-3", expected]]

    shown: list[str] = []

    class Handle:
        def update(self, content: str) -> None:
            shown.append(content)

    class Module:
        HTML = staticmethod(str)
        display = staticmethod(lambda *_, **__: Handle())

    monkeypatch.setitem(sys.modules, "IPython", Module())  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", Module())  # type: ignore[arg-type]
    notebook = _progress.Notebook(tmp_path)
    notebook.said("a < b")
    notebook.refresh()
    notebook.refresh()
    assert len(shown) == 1 and "a &lt; b" in shown[0] and "goes on in task 2" in shown[0]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interruption_reaches_the_program_and_nothing_is_lost(tmp_path: Path) -> None:
    out = tmp_path / "run"
    code = (
        "import cldiff, sys\n"
        "cldiff.run('smoke', out=sys.argv[1], backend='flex', threads=1, strategies=['finetune'],"
        " training={'steps_per_experience': 10**6}, progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(out)], stderr=subprocess.PIPE, text=True)
    log = out / "cells/finetune-0/metrics.jsonl"
    while process.poll() is None and not (log.is_file() and '"train"' in log.read_text(encoding="utf-8")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode != 0 and "KeyboardInterrupt" in said, said
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["sessions"][0]["how"] == "interrupted"
    with pytest.raises(FileNotFoundError, match="resume=True"):
        cldiff.read(out)
