"""Starts ``hearth`` on a machine whose clock is off: ``shifted.py SECONDS ARGUMENTS...``, ahead or behind."""

from __future__ import annotations

import sys
import time


def shift(seconds: int) -> None:
    right = time.time
    time.time = lambda: right() + seconds


if __name__ == "__main__":
    shift(int(sys.argv[1]))  # before anything could keep the right one
    from scripts.cli import main

    sys.argv = ["hearth", *sys.argv[2:]]
    main()
