"""Starts ``hearth`` so that the process kills itself: ``killed.py WHEN MARK ARGUMENTS...``.

WHEN is ``after`` or ``before``: SIGKILL right after the MARKth change of the journal is durable, or right before the
one that follows; or ``instead``: SIGKILL in place of the first change with an entry of the type MARK.
"""

from __future__ import annotations

import os
import signal
import sys

from scripts.cli import main
from storage.records.interface import Change
from storage.records.journal import Journal


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(when: str, mark: str) -> None:
    append, written = Journal.append, 0

    def counted(self: Journal, change: Change, after: int) -> None:
        nonlocal written
        kinds = [type(entry).__name__ for entry in change.entries]
        if (when == "before" and written >= int(mark)) or (when == "instead" and mark in kinds):
            _die()
        append(self, change, after)
        written += 1
        if when == "after" and written >= int(mark):
            _die()

    Journal.append = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2])
    sys.argv = ["hearth", *sys.argv[3:]]
    main()
