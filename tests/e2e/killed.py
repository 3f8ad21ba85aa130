"""Starts ``hearth`` so that the process kills itself: ``killed.py WHEN MARK ARGUMENTS...``.

WHEN is ``after`` or ``before``: SIGKILL right after the MARKth change of the records is durable, or right before the
one that follows, be they a phone's journal or a server's database; or ``instead``: SIGKILL in place of the first change
with an entry of the type MARK, which is ``TYPE:ROUND`` where it has to be of one round.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from scripts.cli import main
from storage.records.database_records import DatabaseRecords
from storage.records.interface import Change
from storage.records.journal import Journal


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _is(entry: object, mark: str) -> bool:
    kind, _, number = mark.partition(":")
    return type(entry).__name__ == kind and (not number or getattr(entry, "round", None) == int(number))


def arm(when: str, mark: str) -> None:
    written = 0

    def counting(append: Callable[[Any, Change, int], None]) -> Callable[[Any, Change, int], None]:
        def counted(self: Any, change: Change, after: int) -> None:
            nonlocal written
            if when == "before" and written >= int(mark):
                _die()
            if when == "instead" and any(_is(entry, mark) for entry in change.entries):
                _die()
            append(self, change, after)
            written += 1
            if when == "after" and written >= int(mark):
                _die()

        return counted

    for records in (Journal, DatabaseRecords):
        setattr(records, "append", counting(records.append))  # noqa: B010


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2])
    sys.argv = ["hearth", *sys.argv[3:]]
    main()
