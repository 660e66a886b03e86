"""``python -m cldiff`` is the program ``cldiff``."""

import os
import subprocess
import sys

from ._program import program


def main() -> None:
    """Becomes the program, with the same arguments."""
    arguments = [str(program()), *sys.argv[1:]]
    if os.name == "posix":
        os.execv(arguments[0], arguments)
    sys.exit(subprocess.run(arguments, check=False).returncode)


if __name__ == "__main__":
    main()
