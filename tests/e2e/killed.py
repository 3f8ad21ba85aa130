"""Starts ``hearth`` so that the process kills itself: ``killed.py WHEN MARK ARGUMENTS...``.

WHEN is ``after`` or ``before``: SIGKILL right after the MARKth change of the journal is durable, or right before the
one that follows; or ``instead``: SIGKILL in place of the first change with an entry of the type MARK, which is
``TYPE:ROUND`` where it has to be of one round.
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


def _is(entry: object, mark: str) -> bool:
    kind, _, number = mark.partition(":")
    return type(entry).__name__ == kind and (not number or getattr(entry, "round", None) == int(number))


def arm(when: str, mark: str) -> None:
    append, written = Journal.append, 0

    def counted(self: Journal, change: Change, after: int) -> None:
        nonlocal written
        if when == "before" and written >= int(mark):
            _die()
        if when == "instead" and any(_is(entry, mark) for entry in change.entries):
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
