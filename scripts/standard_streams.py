"""Standard input, output and error as a process finds them: closed, full, a pipe without a reader, without letters."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from io import TextIOWrapper
from typing import Any, Final, TextIO

_GONE: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL


def prepare() -> None:
    """Whatever the process was given: afterwards there are three streams, and no text is one that they cannot write."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number, which the next file to be written would take
    # what is closed is None in Python, and half of all libraries do not know that
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)  # a title that the terminal has no letters for


def reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(events & _GONE for _, events in poll.poll(0))
    except (OSError, ValueError):
        return False


def finish() -> OSError | None:
    """Writes out what is left. Why standard output does not take it; the interpreter will not try again."""
    failed = _flushed(sys.stdout)
    _flushed(sys.stderr)
    return failed


def tell(line: str) -> None:
    """One line on standard error, if it takes one: there is nowhere else to complain."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _flushed(stream: TextIO | Any) -> OSError | None:
    try:
        stream.flush()
    except ValueError:  # closed by the command
        return None
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return None if error.errno == errno.EPIPE else error
    return None
