"""Starts ``hearth`` so that the process kills itself: ``killed.py WHEN MARK ARGUMENTS...``.

WHEN is ``after`` or ``before``: SIGKILL right after the MARKth journal entry is durable, or right before the one
that follows; or ``instead``: SIGKILL in place of the first entry of the kind MARK.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from scripts.cli import main
from storage.records.journal import Journal


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(when: str, mark: str) -> None:
    append, written = Journal.append, 0

    def counted(self: Journal, kind: str, /, **fields: Any) -> None:
        nonlocal written
        if (when == "before" and written >= int(mark)) or (when == "instead" and kind == mark):
            _die()
        append(self, kind, **fields)
        written += 1
        if when == "after" and written >= int(mark):
            _die()

    Journal.append = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2])
    sys.argv = ["hearth", *sys.argv[3:]]
    main()
