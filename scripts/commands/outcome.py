"""How a command ends: the exit codes of ``hearth``, which docs/command-line.md explains to its users."""

from __future__ import annotations

import errno
import re
from enum import IntEnum
from typing import Final

from protocol.errors import HearthError, MalformedError, Party


class Outcome(IntEnum):
    """What the shell is told."""

    OK = 0
    FAILED = 1  # also: an audit found a fault
    USAGE = 2  # an option, argument, environment variable or input file that cannot be understood
    UNKNOWN = 3  # an audit could not read everything
    UNVERIFIED = 4  # nobody but the endpoint vouches for what an audit read
    OUTPUT = 5  # what was to be written cannot be
    HANGUP = 129  # the terminal is gone: 128 and the signal's number, as shells count
    INTERRUPTED = 130
    TERMINATED = 143


class OutputError(HearthError):
    """A file, or the standard output, that cannot be written."""

    code = "E_OUTPUT"


_OF_INPUT_FILES: Final = frozenset({"E_KEYSTORE", "E_PROOF_FILE", "E_DATA_MISSING"})
_OURS_TO_MEND: Final = frozenset({Party.OURS, Party.MANUFACTURER})  # whoever started the command; others are far away
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


_NEXT: Final = {
    "E_API": "hearth doctor --edge URL looks at the server",
    "E_DATA_MISSING": "hearth demo --dataset digits needs no data of yours",
    "E_UPGRADE": "install the newer version of this program; folders are kept, and read by it",
    "E_EDGE_UNAVAILABLE": "hearth doctor looks at chain, store and servers",
    "E_KEYSTORE": "hearth key new makes an account",
    "E_LEDGER": "hearth doctor looks at chain, store and servers",
    "E_PROOF_FILE": "hearth audit --proofs FOLDER writes proofs",
    "E_STORE_UNAVAILABLE": "hearth doctor looks at chain, store and servers",
    "E_WRONG_CHAIN": "hearth doctor looks at chain, store and servers",
}


def next_step(error: HearthError) -> str | None:
    """The command that helps after such an error, where one does."""
    return _NEXT.get(error.code)


def outcome_of(error: BaseException) -> Outcome:
    """Of whatever ended a command, other than an interruption."""
    full = isinstance(error, HearthError) and error.code == "E_READINGS_FULL"
    if full or isinstance(error, OutputError) or (isinstance(error, OSError) and error.errno in _NO_ROOM):
        return Outcome.OUTPUT
    if isinstance(error, HearthError) and error.code in _OF_INPUT_FILES:
        return Outcome.USAGE
    if isinstance(error, MalformedError) and error.fault in _OURS_TO_MEND:
        return Outcome.USAGE
    return Outcome.FAILED


def reason(error: OSError) -> str:
    """What the system says of it, without Python's brackets."""
    return re.sub(r"^\[Errno -?\d+\] ", "", error.strerror or str(error))
