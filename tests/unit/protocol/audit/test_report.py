"""What the auditor's lines say: plain words, whose fault it was, and the one value that differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.audit.case import lacking
from protocol.audit.evidence import MissingEvidenceError, UnverifiedEndpointError
from protocol.audit.report import Report, Status, require, same
from protocol.errors import Party, VerificationError
from protocol.round.planning import terms_of
from protocol.round.state_table import RoundState
from protocol.task.documents import Lack
from tests.samples import sample_spec

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
    ],
)
def test_what_differs_is_named(claimed: object, derived: object, says: str) -> None:
    assert _line(claimed, derived) == says


def test_bytes_that_miss_their_digest_are_the_stores_fault() -> None:
    error = lacking(Lack.CORRUPT, "the plan")
    assert isinstance(error, VerificationError)
    assert error.fault is Party.CONTENT_STORE
    report = Report()
    with report.check(7, "round 1"):
        raise error
    assert report.lines[0].detail == "the plan: the content store gives other bytes in its place (fault: content store)"
    assert isinstance(lacking(Lack.MISSING, "the plan"), MissingEvidenceError)


def test_the_worst_line_is_the_verdict() -> None:
    report, seen = Report(), [Report().status]
    errors = (None, MissingEvidenceError("gone"), UnverifiedEndpointError("nobody vouches"), VerificationError("no"))
    for error in errors:
        with report.check(27, "endpoint"):
            if error is not None:
                raise error
        seen.append(report.status)
    assert seen == [Status.UNKNOWN, Status.PASS, Status.UNKNOWN, Status.UNVERIFIED, Status.FAIL]
