"""The auditor's lines: every check has a number, a subject and one of three results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from protocol.audit.evidence import MissingEvidenceError, UnverifiedEndpointError
from protocol.audit.wording import differences
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.text import shown

CHECKS: Final[dict[int, str]] = {
    1: "the code of the ledger and of the two contracts beside it is the published one",
    2: "the task's terms, escrow and deadlines are those of its spec, the reputation rules those of the ledger",
    3: "the spec, the initial model and the test set are there and well formed",
    4: "every enrolment is agreed to, in time, once per address, with its envelope and the voucher that it needs",
    5: "every leave is signed and recorded",
    6: "the round moved only along the state table and inside its deadlines",
    7: "the plan is the one on chain, follows from the task and continues the chain of labels",
    8: "exactly those are planned who follow from enrolment, rosters, reputation and past rounds, with their weights",
    9: "the index set follows from spec and round number, and the plan has its size",
    10: "the batch stands under its root, every commitment in it signed for a planned client",
    11: "every direct commitment is signed for this round and counted",
    12: "every ciphertext is what its commitment says",
    13: "the verdict follows from commitments and ciphertexts",
    14: "the key request is for exactly the accepted set and is the one on chain",
    15: "a quorum of the committee saw this request on chain, and every partial key is signed by a member for it",
    16: "the partial keys combine to the recorded functional key",
    17: "the sum of the ciphertexts decrypts to the recorded aggregate, or no keys open it and the record says so",
    18: "the model is the previous one plus the aggregate's step, or the same where there is none",
    19: "the counts of right answers on the test set are those of the models",
    20: "the privacy charge follows from the plans",
    21: "shares, fees and reputations follow from verdict, weights, counts and keys; their root is the one on chain",
    22: "every claim paid one leaf of the tree that stood then, once, to its holder, and its reputation followed",
    23: "the books balance: escrow = posted + forfeited - paid - refunded, deposits, one settlement after the other",
    24: "refunds went to the manufacturer, and only what nobody could claim",
    25: "who is accused of lying, and nobody else, signed a partial key off the polynomial of all others",
    26: "every compensation went to a planned client that committed in a round which was not published, once, in full",
    27: "the events fold to the words that the ledger keeps of them, and all views stand in the state of one block",
    28: "no authority issued a key for another request than the one on chain, no quorum one whose sum is not published",
    29: "rosters and draws came in time, and the cohort on chain is the one that the plan adds up",
    30: "a screened round was opened as its request on chain says, and the set in its sum follows from that",
}


class Status(StrEnum):
    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    UNVERIFIED = "UNVERIFIED ENDPOINT"


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    subject: str
    status: Status
    detail: str = ""

    def __str__(self) -> str:
        text = f"{self.status} {self.number:2d} {self.subject}: {CHECKS[self.number]}"
        return shown(f"{text} [{self.detail}]" if self.detail else text)


@dataclass
class Report:
    lines: list[Line] = field(default_factory=list)
    tell: Callable[[str], object] = field(default=lambda _: None, repr=False, compare=False)  # what is checked next

    @property
    def status(self) -> Status:
        """The worst of the lines, in this order."""
        statuses = {line.status for line in self.lines}
        for status in (Status.FAIL, Status.UNVERIFIED, Status.UNKNOWN):
            if status in statuses:
                return status
        return Status.PASS if self.lines else Status.UNKNOWN

    @property
    def failed(self) -> list[Line]:
        return [line for line in self.lines if line.status is not Status.PASS]

    def without_content(self, reason: str) -> None:
        """One line in place of all that are UNKNOWN, since the content store as a whole cannot be asked."""
        kept = [line for line in self.lines if line.status is not Status.UNKNOWN]
        if unknown := len(self.lines) - len(kept):
            detail = f"{reason}; {unknown} checks need what it has (fault: {Party.CONTENT_STORE})"
            self.lines = [*kept, Line(3, "content store", Status.UNKNOWN, detail)]

    def count(self, status: Status) -> int:
        return sum(line.status is status for line in self.lines)

    @contextmanager
    def check(self, number: int, subject: str) -> Iterator[list[str]]:
        """Adds one line for the block; the yielded list takes remarks that go with a PASS."""
        remarks: list[str] = []
        self.tell(f"check {number}, {subject}")
        try:
            yield remarks
        except MissingEvidenceError as error:
            self.lines.append(Line(number, subject, Status.UNKNOWN, _reason(error)))
        except UnverifiedEndpointError as error:
            self.lines.append(Line(number, subject, Status.UNVERIFIED, _reason(error)))
        except HearthError as error:
            self.lines.append(Line(number, subject, Status.FAIL, _reason(error)))
        else:
            self.lines.append(Line(number, subject, Status.PASS, "; ".join(remarks)))


@contextmanager
def blamed(party: Party) -> Iterator[None]:
    """Of a failure inside: on whoever had to see it before anybody else did."""
    try:
        yield
    except MissingEvidenceError:
        raise
    except HearthError as error:
        raise VerificationError(str(error.args[0]), fault=party) from error


@contextmanager
def attributed(server: Address) -> Iterator[None]:
    """Of a failure inside that names nobody else: on the edge server that settled what is checked, by its address."""
    try:
        yield
    except MissingEvidenceError:
        raise
    except HearthError as error:
        if error.fault is not Party.OURS:
            raise
        reason = f"settled by {to_hex(server)}: {error.args[0]}"
        raise VerificationError(reason, fault=Party.EDGE_SERVER) from error


def require(condition: bool, message: str) -> None:
    if not condition:
        raise VerificationError(message)


def same(name: str, claimed: object, derived: object) -> None:
    """Raises VerificationError, which tells the first difference, unless what is claimed equals what follows."""
    if claimed != derived:
        raise VerificationError(differences(name, claimed, derived))


def _reason(error: HearthError) -> str:
    """For people: whose fault it was, where it was somebody else's than the subject's."""
    reason = str(error.args[0])
    return reason if error.fault is Party.OURS else f"{reason} (fault: {error.fault})"
