"""What the shell is told of a command's end, by the error that ended it."""

from __future__ import annotations

import errno
import os

import pytest

from protocol.errors import HearthError, MalformedError, Party, VerificationError
from scripts.commands.outcome import Outcome, OutputError, outcome_of, reason
from storage.ledger.interface import LedgerError
from storage.ledger.keystore import KeystoreError


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (MalformedError("the owner's own file"), Outcome.USAGE),
        (MalformedError("the task file", fault=Party.MANUFACTURER), Outcome.USAGE),
        (MalformedError("a server's answer", fault=Party.EDGE_SERVER), Outcome.FAILED),
        (KeystoreError("another password"), Outcome.USAGE),
        (OutputError("no such folder"), Outcome.OUTPUT),
        (OSError(errno.ENOSPC, "No space left on device"), Outcome.OUTPUT),
        (OSError(errno.ENOENT, "No such file"), Outcome.FAILED),
        (VerificationError("false", fault=Party.CLIENT), Outcome.FAILED),
        (LedgerError("away"), Outcome.FAILED),
        (HearthError("else"), Outcome.FAILED),
        (TypeError("ours"), Outcome.FAILED),
    ],
)
def test_each_error_has_its_code(error: Exception, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


def test_the_numbers_that_scripts_compare_do_not_change() -> None:
    assert [(one.name, one.value) for one in Outcome] == [
        ("OK", 0), ("FAILED", 1), ("USAGE", 2), ("UNKNOWN", 3), ("UNVERIFIED", 4), ("OUTPUT", 5),
        ("HANGUP", 129), ("INTERRUPTED", 130), ("TERMINATED", 143),
    ]  # fmt: skip


def test_the_system_s_words_are_shown_without_numbers() -> None:
    assert reason(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "file")) == "No such file or directory"
    assert reason(OSError("a library's own")) == "a library's own"
