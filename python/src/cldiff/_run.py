"""``cldiff.run``: a benchmark as a function call."""

import os
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ._progress import Display, Lines, Notebook, Quiet, in_notebook
from ._program import CldiffError, program
from ._read import Run, read
from ._settings import assignments, toml_document

_POLL_SECONDS = 0.3
_KEPT_LINES = 200
_UNFOLDED = "10000"


def run(
    config: str | os.PathLike[str] | Mapping[str, Any] = "default",
    *,
    out: str | os.PathLike[str] | None = None,
    strategies: Sequence[str] = (),
    backend: str = "auto",
    device: int = 0,
    jobs: int | None = None,
    threads: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Runs a benchmark: every strategy of the configuration with every seed.

    Args:
        config: a TOML file, ``"default"`` or ``"smoke"``, or the configuration as a dict.
        out: the run directory; by default ``runs/NAME``, or the first of ``runs/NAME-2``, ``-3`` and so on that is free.
        strategies: only these, by label or name.
        backend: ``"auto"``, ``"cuda"``, ``"wgpu"``, ``"ndarray"`` or ``"flex"``.
        device: which device of the backend.
        jobs: cells that are computed at a time.
        threads: threads of the CPU kernels; results do not depend on them.
        data_dir: the directory of the data set's files.
        resume: go on with the run in ``out``.
        tensorboard: write event files for TensorBoard too.
        progress: show how far the run is.
        **settings: other values for keys of the configuration: ``training={"batch_size": 32}``, ``seeds=[0, 1]``.

    Returns:
        What :func:`cldiff.read` reads of the run.

    Raises:
        CldiffError: with the program's message, if the program fails. A run of which some cells failed has its results
            all the same: ``cldiff.read`` reads them.
        KeyboardInterrupt: after the program has kept its state; ``resume=True`` goes on with the run.
    """
    if resume and out is None:
        raise ValueError("resume=True needs out, the run to go on with")
    directory = Path(out) if out is not None else _free_directory(config)
    words = ["run", "--out", str(directory), "--backend", backend, "--device", str(device)]
    words += [f"--strategy={','.join(strategies)}"] if strategies else []
    words += [f"--{key}={value}" for key, value in (("jobs", jobs), ("data-dir", data_dir)) if value is not None]
    words += [flag for flag, asked in (("--resume", resume), ("--tensorboard", tensorboard)) if asked]
    words += [] if progress else ["--quiet"]
    words += [f"--set={assignment}" for assignment in assignments(settings)]
    if threads is not None:
        words = [f"--threads={threads}", *words]
    with tempfile.TemporaryDirectory() as scratch:
        if isinstance(config, Mapping):
            file = Path(scratch) / "config.toml"
            file.write_text(toml_document(config), encoding="utf-8")
            config = file
        _wait([str(program()), *words, f"--config={os.fspath(config)}"], _display(directory, progress))
    return read(directory)


def _free_directory(config: str | os.PathLike[str] | Mapping[str, Any]) -> Path:
    """As the program chooses it, by the name of the file or the key ``name``."""
    name = str(config.get("name", "run")) if isinstance(config, Mapping) else Path(config).stem
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


def _display(directory: Path, progress: bool) -> Display:
    if not progress:
        return Quiet()
    return Notebook(directory) if in_notebook() else Lines()


def _wait(command: list[str], display: Display) -> None:
    """Runs the program to its end; an interruption is passed on, once, and waited for."""
    # A session of its own: a terminal or kernel that interrupts a whole group would interrupt the program twice, which
    # ends it before it has kept its state.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        # A message is one line, for whoever shows it to fold.
        env={**os.environ, "COLUMNS": _UNFOLDED},
        start_new_session=True,
    )
    said: deque[str] = deque(maxlen=_KEPT_LINES)
    assert process.stderr is not None
    reader = threading.Thread(target=_listen, args=(process.stderr, said, display), daemon=True)
    reader.start()
    interrupted = False
    while True:
        try:
            process.wait(_POLL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            display.refresh()
        except KeyboardInterrupt:
            if interrupted:
                process.kill()
                raise
            interrupted = True
            process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    reader.join()
    process.stderr.close()
    display.refresh()
    if interrupted:
        raise KeyboardInterrupt
    if process.returncode != 0:
        raise CldiffError(_message(said) or f"cldiff has ended with {process.returncode}", process.returncode)


def _listen(stream: IO[str], said: deque[str], display: Display) -> None:
    for line in stream:
        said.append(line.rstrip("\n"))
        display.said(said[-1])


def _message(said: Iterable[str]) -> str:
    """The error message of the program: its lines from the last that begins with ``error: ``."""
    lines = list(said)
    starts = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    return "\n".join(lines[starts[-1] :]).removeprefix("error: ") if starts else "\n".join(lines)
