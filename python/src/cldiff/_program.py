"""Where the program is, and what went wrong in it."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path


class CldiffError(RuntimeError):
    """The program has failed.

    ``status`` is its exit status: 2 for a mistake in arguments, configuration or data, 130 for an interrupted run that
    ``resume=True`` goes on with, 1 for anything else.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def program() -> Path:
    """The program ``cldiff``: that of the variable CLDIFF_PROGRAM, of this environment, or of the PATH.

    Raises FileNotFoundError if there is none.
    """
    name = "cldiff.exe" if os.name == "nt" else "cldiff"
    given = os.environ.get("CLDIFF_PROGRAM")
    if given is not None:
        path = Path(given).resolve()
        if not path.is_file():
            raise FileNotFoundError(f"CLDIFF_PROGRAM={given}: no such file")
        return path
    # Where pip puts programs: beside the interpreter, or for `pip install --user` and `--target` elsewhere.
    folders = [
        sysconfig.get_path("scripts"),
        sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user")),
        str(Path(sys.executable).parent),
        str(Path(__file__).resolve().parents[1] / "bin"),
    ]
    for folder in folders:
        path = Path(folder) / name
        if path.is_file():
            return path
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"there is no program {name} in {', '.join(folders)} or on the PATH")
    return Path(found)
