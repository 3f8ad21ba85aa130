"""What the auditor's lines say: plain words, whose fault it was, and the one value that differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.audit.case import lacking
from protocol.audit.evidence import MissingEvidenceError, UnverifiedEndpointError
from protocol.audit.report import Report, Status, require, same
from protocol.audit.wording import Amount
from protocol.errors import VerificationError
from protocol.messages.settlement import Rejection
from protocol.round.planning import terms_of
from protocol.round.state_table import RoundState
from protocol.task.documents import Lack
from tests.samples import sample_spec

TOKEN = f"0x{'01' * 20}"
UNITS = "of the smallest units of token"
TERMS = terms_of(sample_spec())


def _line(claimed: object, derived: object) -> str:
    report = Report()
    with report.check(2, "task 1"):
        same("terms", claimed, derived)
    (line,) = report.lines
    return line.detail


def test_a_failure_is_a_sentence_without_codes() -> None:
    report = Report()
    with report.check(7, "round 1"):
        require(False, "skips round 2")
    assert str(report.lines[0]).endswith("[skips round 2]")
    assert report.lines[0].status is Status.FAIL


@pytest.mark.parametrize(
    ("claimed", "derived", "says"),
    [
        (3, 4, "terms: 3 is claimed, 4 follows"),
        (None, 4, "terms: nothing is claimed, 4 follows"),
        (RoundState.PUBLISHED, RoundState.ABANDONED, "terms: published is claimed, abandoned follows"),
        ((b"\1" * 20,), [], f"terms: 0x{'01' * 20} is claimed, nothing follows"),
        (TERMS, replace(TERMS, rounds=9), f"terms, rounds: {TERMS.rounds} is claimed, 9 follows"),
        (True, False, "terms: yes is claimed, no follows"),
        (Amount(5, bytes(20)), Amount(4, bytes(20)), "terms: 5 wei is claimed, 4 wei follows"),
        (
            Amount(5, b"\1" * 20),
            Amount(4, b"\1" * 20),
            f"terms: 5 {UNITS} {TOKEN} is claimed, 4 {UNITS} {TOKEN} follows",
        ),
        ({b"\1", b"\2"}, {b"\2", b"\3"}, "terms: 0x01 is claimed and does not follow, 0x03 follows and is not claimed"),
        (None, Rejection(b"\1" * 20, "corrupt"), f"terms: nothing is claimed, client {TOKEN} reason corrupt follows"),
        (bytes(40), bytes(39) + b"\1", "terms: 40 bytes are claimed, 40 follow, and they differ from byte 39 on"),
        (tuple(range(99)), (*range(98), 7), "terms, number 99: 98 is claimed, 7 follows"),
    ],
)
def test_what_differs_is_named(claimed: object, derived: object, says: str) -> None:
    assert _line(claimed, derived) == says


def test_bytes_that_miss_their_digest_are_the_stores_fault() -> None:
    """And nothing follows for the task: the right bytes may be elsewhere."""
    report = Report()
    for lack in (Lack.CORRUPT, Lack.MISSING, Lack.MALFORMED):
        with report.check(7, "round 1"):
            raise lacking(lack, "the plan")
    assert [line.status for line in report.lines] == [Status.UNKNOWN, Status.UNKNOWN, Status.FAIL]
    rotten = "the plan: the content store gives other bytes in its place; try another store (fault: content store)"
    assert report.lines[0].detail == rotten


def test_the_worst_line_is_the_verdict() -> None:
    report, seen = Report(), [Report().status]
    errors = (None, MissingEvidenceError("gone"), UnverifiedEndpointError("nobody vouches"), VerificationError("no"))
    for error in errors:
        with report.check(27, "endpoint"):
            if error is not None:
                raise error
        seen.append(report.status)
    assert seen == [Status.UNKNOWN, Status.PASS, Status.UNKNOWN, Status.UNVERIFIED, Status.FAIL]
