"""A smoke run that the tests share, with a cache and a directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import cldiff


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that the user keeps reaches a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for variable in ("CLDIFF_FAULT", "RUST_LOG", "RUST_BACKTRACE"):
            patch.delenv(variable, raising=False)
        yield


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> cldiff.Run:
    """Two tasks of five classes, of 8 x 8 pixels."""
    out: Path = tmp_path_factory.mktemp("runs") / "smoke"
    return cldiff.run(
        "smoke", out=out, backend="flex", threads=1, strategies=["finetune", "replay-1"], tensorboard=True
    )
