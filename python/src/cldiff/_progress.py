"""How far a run is, from the logs that it writes, and where that is shown."""

import html
import json
import sys
from collections import deque
from pathlib import Path
from typing import Any, Protocol


class Cells:
    """The cells of a run directory, each with what its ``metrics.jsonl`` says last.

    Each call of :meth:`lines` reads what the logs have got since the one before.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._read: dict[Path, int] = {}
        self._last: dict[str, dict[str, Any]] = {}

    def lines(self) -> list[str]:
        """A line for each cell that has begun."""
        for log in sorted(self._run.glob("cells/*/metrics.jsonl")):
            self._follow(log)
        return [f"{name:28} {self._words(name, last)}" for name, last in self._last.items()]

    def _follow(self, log: Path) -> None:
        start = self._read.get(log, 0)
        with log.open("rb") as file:
            file.seek(start)
            new = file.read()
        # The last line may be half written.
        whole = new[: new.rfind(b"\n") + 1]
        self._read[log] = start + len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            self._last[log.parent.name] = event

    def _words(self, name: str, last: dict[str, Any]) -> str:
        try:
            status = json.loads((self._run / "cells" / name / "status.json").read_text(encoding="utf-8"))
            return str(status["state"])
        except (OSError, ValueError, KeyError):
            pass
        task = int(last.get("task", 0)) + 1
        if last.get("event") == "train":
            return f"task {task}, step {last['step']}: loss {last['loss']:.4f}"
        if last.get("event") == "evaluation":
            fid = last.get("fid_pooled")
            return f"after task {task}: " + ("evaluated" if fid is None else f"FID over tasks seen {fid:.2f}")
        if last.get("event") == "resumed":
            return f"goes on in task {task}, step {last.get('step', 0)}"
        return "begins"


class Display(Protocol):
    """Where progress is shown."""

    def said(self, line: str) -> None:
        """A line that the program printed for its user."""

    def refresh(self) -> None:
        """Called a few times a second."""


class Quiet:
    """Shows nothing."""

    def said(self, line: str) -> None:
        """Keeps silent."""

    def refresh(self) -> None:
        """Keeps silent."""


class Lines:
    """Passes on what the program says, to sys.stderr as Python has it."""

    def said(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def refresh(self) -> None:
        """Nothing is to be drawn again."""


class Notebook:
    """One output of a notebook's cell, which is drawn again as the run goes on."""

    def __init__(self, run: Path) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._cells = Cells(run)
        self._said: deque[str] = deque(maxlen=3)
        self._shown = ""
        self._handle = display(HTML("<pre>starting</pre>"), display_id=True)

    def said(self, line: str) -> None:
        self._said.append(line)

    def refresh(self) -> None:
        text = "\n".join([*self._said, *self._cells.lines()])
        if text != self._shown and self._handle is not None:
            self._shown = text
            self._handle.update(self._html(f"<pre>{html.escape(text)}</pre>"))


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
