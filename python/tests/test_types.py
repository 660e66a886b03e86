"""The module is typed, as its ``py.typed`` says."""

import subprocess
import sys
from pathlib import Path

import pytest

import cldiff


def test_types_hold_and_are_declared() -> None:
    pytest.importorskip("mypy")
    package = Path(cldiff.__file__).parent
    assert (package / "py.typed").is_file()
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "/dev/null", "--ignore-missing-imports", str(package)]
    checked = subprocess.run(words, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
