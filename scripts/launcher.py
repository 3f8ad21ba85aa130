"""Starts ``hearth`` from its own folder, whatever else is called ``scripts`` or ``storage`` on the path (ADR 21).

The wheel holds all packages inside one of its own, ``hearth_fl``; a checkout holds them at its top. Both ways the
folder above this file is where they are, and it comes first.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

ROOT: Final = str(Path(__file__).resolve().parents[1])


def hearth_command() -> list[str]:
    """``hearth`` as a process of its own, with this interpreter."""
    return [sys.executable, str(Path(__file__).resolve())]


def module_command(module: str) -> list[str]:
    """One of our modules as a process of its own."""
    start = f"import sys, runpy; sys.path.insert(0, {ROOT!r}); runpy.run_module({module!r}, run_name='__main__')"
    return [sys.executable, "-P", "-c", start]


def main() -> None:
    """The command. As a script it finds the folder ``scripts`` in front of the path, where the one above belongs."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command has a handler: imports would show a trace
    if sys.path and os.path.realpath(sys.path[0]) == os.path.join(ROOT, "scripts"):
        sys.path.pop(0)
    sys.path.insert(0, ROOT)
    from scripts.cli import main as hearth

    hearth()


if __name__ == "__main__":
    main()
