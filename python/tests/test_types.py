"""The module is typed, as its ``py.typed`` says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cldiff


def test_types_hold_and_are_declared() -> None:
    pytest.importorskip("mypy")
    package = Path(cldiff.__file__).parent
    assert (package / "py.typed").is_file()
    words = ["-m", "mypy", "--strict", "--ignore-missing-imports", "--config-file", "", "--cache-dir", os.devnull, "-p", "cldiff"]
    environment = dict(os.environ)
    if "site-packages" not in package.parts:
        environment["MYPYPATH"] = str(package.parent)
    checked = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)
    assert checked.returncode == 0, checked.stdout
