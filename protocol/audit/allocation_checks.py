"""Check 21: what a settled round owes to whom, derived again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Final

from protocol.audit.case import Case, known, read
from protocol.audit.report import require, same
from protocol.audit.round_checks import RoundAudit
from protocol.identifiers import Address, to_hex
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, fees, settle, total_owed
from protocol.messages.chain import RoundPublished
from protocol.messages.settlement import GARBAGE, Allocation, RoundRecord, Verdict
from protocol.task.documents import Absent
from protocol.task.past import best_count
from protocol.task.round_facts import Settled

MOST_GUESSES: Final = 256  # at who answered a round whose record nobody can read: any of a committee of eight


@dataclass(frozen=True)
class Settlement:
    """One settled round. ``before``: the allocation that stood then, with everybody who enrolled before the round;
    ``initial_correct``: right answers of the initial model; ``record``: None where it cannot be read."""

    case: Case
    audit: RoundAudit
    ended: Settled
    before: Allocation | None
    initial_correct: int | None
    record: RoundRecord | None

    def established(self, verdict: Verdict) -> Allocation | None:
        """The one under the root on chain, read or, if nobody can read it, derived: later rounds go on from it.

        Raises MissingEvidenceError.
        """
        found = self.case.state.allocation(self.audit.number)
        if not isinstance(found, Absent):
            candidates = iter([found])
        else:
            candidates = (self._derived(verdict, *outcome) for outcome in self._outcomes())
        root = self.ended.allocation_root
        return next((candidate for candidate in candidates if allocation_root(candidate) == root), None)

    def check(self) -> None:
        """Raises MissingEvidenceError or VerificationError."""
        ended, record = self.ended, known(self.record, "the record")
        (outcome,) = self._outcomes()
        derived = self._derived(record.verdict, *outcome)
        same_allocation(read(self.case.state.allocation(self.audit.number), "allocation"), derived, self.case.amount)
        same("amount on chain", self.case.amount(ended.allocated), self.case.amount(total_owed(derived)))
        same("root on chain", ended.allocation_root, allocation_root(derived))

    def _outcomes(self) -> Iterator[tuple[tuple[Address, ...], bool]]:
        """Whose keys are on record, and whether they opened a sum; all that there may be when nobody can read it."""
        committee, record = self.case.spec.committee, self.record
        if not isinstance(self.ended, RoundPublished):
            yield (), False
        elif record is not None:
            yield tuple(signed.statement.authority for signed in record.keys), record.outcome != GARBAGE
        else:
            sizes = range(committee.threshold, len(committee.members) + 1)
            chosen = (members for size in sizes for members in combinations(committee.members, size))
            paid = MOST_GUESSES if self.case.spec.rewards.authority_fee else 1
            yield from ((members, True) for members in islice(chosen, paid))
            yield committee.members, False

    def _derived(self, verdict: Verdict, answered: tuple[Address, ...], is_sum: bool) -> Allocation:
        ended, number, spec = self.ended, self.audit.number, self.case.spec
        progress, served = None, dict[Address, int]()
        if isinstance(ended, RoundPublished):
            served = fees(spec, known(self.audit.facts.ended_by, "who published"), answered)
            if is_sum:
                best = max(
                    known(self.initial_correct, "the initial model's count"), best_count(self.case.state, number)
                )
                progress = Progress(best, ended.correct, ended.examples)
        screened = self.audit.opened.verdict if self.audit.opened else None
        return settle(spec, known(self.before, "the allocation before"), number, verdict, progress, served, screened)


def same_allocation(claimed: Allocation, derived: Allocation, amount: Callable[[int], object] = int) -> None:
    """Raises VerificationError that names the first whose amount or reputation does not follow."""
    listed, entitled = ({entry.client for entry in one.entitlements} for one in (claimed, derived))
    for holder in sorted(listed ^ entitled):
        require(holder in listed, f"{to_hex(holder)} is left out of the allocation")
        require(holder in entitled, f"{to_hex(holder)} is in the allocation, and nothing is owed to it")
    for ours, theirs in zip(derived.entitlements, claimed.entitlements, strict=False):
        same("order of the allocation", theirs.client, ours.client)
        same(f"earned by {to_hex(ours.client)}", amount(theirs.cumulative), amount(ours.cumulative))
        same(f"reputation of {to_hex(ours.client)}", theirs.reputation, ours.reputation)
    same("allocation", claimed, derived)
