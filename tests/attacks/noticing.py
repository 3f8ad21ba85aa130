"""Which check notices which changed answer of a chain's endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from protocol.audit.report import Report, Status
from tests.attacks.tampering import Audited, changes

# The check that must be among the failed ones, by changed field.
NOTICED: Mapping[str, int] = {
    "TaskPosted": 2,
    "Enrolled": 4,
    "EnrolmentFull": 4,
    "Left": 5,
    "RoundOpened": 6,
    "RoundOpened.label": 7,
    "RoundOpened.cohortRoot": 29,
    "RoundOpened.beacon": 29,
    "CohortDrawn": 29,
    "DrawLapsed": 29,
    "RoundExpired": 6,
    "Compensated": 23,
    "BondPlaced": 23,
    "BondForfeited": 23,
    "BondReturned": 23,
    "TakenOver": 2,
    "RosterPosted": 29,
    "BatchCommitted": 10,
    "BatchCommitted.objectUntil": 6,
    "DirectCommitted": 11,
    "ScreeningRequested": 6,
    "KeyRequested": 6,
    "KeyRequested.request": 14,
    "RoundPublished": 6,
    "RoundPublished.model": 18,
    "RoundPublished.correct": 19,
    "RoundPublished.examples": 19,
    "RoundPublished.allocationRoot": 21,
    "RoundPublished.allocated": 21,
    "Claimed": 22,
    "Refunded": 23,
    "Refunded.manufacturer": 24,
    "taskOf": 2,
    "taskOf.enrolled": 4,
    "taskOf.lastRound": 6,
    "taskOf.escrow": 23,
    "taskOf.deposits": 23,
    "taskOf.reserved": 23,
    "taskOf.pendingServer": 23,
    "taskOf.drawnAt": 29,
    "taskOf.allocated": 23,
    "taskOf.claimed": 23,
    "taskOf.allocationRoot": 23,
    "taskOf.pendingRound": 23,
    "taskOf.payableFrom": 23,
    "taskOf.pendingAllocated": 23,
    "taskOf.pendingRoot": 23,
    "taskCount": 23,
    "balance -1": 23,
    "chain id": 1,
    "code": 1,
    "roundOf": 6,
    "roundOf.batchRoot": 10,
    "roundOf.cohortRoot": 29,
    "roundOf.batched": 10,
    "roundOf.direct": 11,
    "enrolmentOf": 4,
    "enrolmentOf.left": 5,
    "hasCommittedDirectly": 11,
    "enrolmentOf.claimed": 22,
    "enrolmentOf.leftRound": 5,
    "standingOf": 22,
    "bondOf": 23,
    "rules": 2,
    "taskOf.word": 27,
}
# Nothing but the task's word tells: of digests that leave nothing to fetch.
WORD_ALONE = {"RoundOpened.plan", "BatchCommitted.batch", "RoundPublished.record"}
# Fields that claim nothing.
CLAIMS_NOTHING: Mapping[str, str] = {
    "logIndex": "orders events within a block",
    "transactionHash": "says where to look; nothing is derived from it",
    "balance +1": "anybody can force ether into a contract, so only a shortfall says something",
}


def failed(report: Report) -> set[int]:
    return {line.number for line in report.lines if line.status is Status.FAIL}


def check_every_field(audited: Audited, instead: Mapping[str, int] = MappingProxyType({})) -> set[str]:
    """What was changed, block times left out; raises where no check, or another one, notices it.

    ``instead``: entries that this task has in place of those above.
    """
    seen: set[str] = set()
    for change in changes(audited.entries):
        what = change.what
        if what.startswith("block timestamp"):
            continue
        seen.add(what)
        report = audited.audit(change)
        if what.endswith("blockNumber"):
            continue  # it dates the event: as the block of that number is dated, which the timestamps' test changes
        if what in CLAIMS_NOTHING or what.rpartition(" ")[2] in CLAIMS_NOTHING:
            assert report.status is not Status.FAIL, (what, report.failed)
        elif what.endswith(".everyone"):
            assert report.status is Status.UNKNOWN, (what, report.failed)  # such an answer is refused whole
        elif what in WORD_ALONE:
            assert failed(report) == {27}, (what, report.failed)
        else:
            assert report.status is Status.FAIL, what
            assert instead.get(what, _noticed_by(what)) in failed(report), (what, report.failed)
            assert 27 in failed(report) or what[0].islower(), (what, report.failed)  # events have capitals
    return seen


def _noticed_by(what: str) -> int:
    """The most specific entry: of the field, or of its event or view."""
    return NOTICED[what] if what in NOTICED else NOTICED[what.replace(" ", ".").partition(".")[0]]
