"""Checks 22 to 24, and what check 21 compares: claims, the books against the balance, refunds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.audit.case import Case, known
from protocol.audit.deposit_checks import check_deposits
from protocol.audit.evidence import Replay
from protocol.audit.report import require, same
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.messages.chain import BondForfeited, Claimed, Refunded, RoundAbandoned, RoundPublished, TaskPosted
from protocol.messages.settlement import Allocation, Entitlement
from protocol.task.ending import is_final, is_over
from protocol.task.round_facts import Settled
from protocol.task.state import TaskState


@dataclass
class _Books:
    """Sums over the events so far."""

    claimed: dict[Address, int] = field(default_factory=dict)  # the highest leaf that was paid
    claims: int = 0
    forfeited: int = 0  # what broken bonds brought into the escrow: their larger halves
    hasty: list[int] = field(default_factory=list)  # rounds that were settled inside another one's dispute window


def check_money(case: Case, allocations: Mapping[int, Allocation]) -> None:
    """``allocations``: those that stood on chain, by their round; not those that could not be established."""
    books, replay, report = _Books(), Replay(case.evidence), case.report
    for event in replay.own():
        match event:
            case Claimed():
                with report.check(22, f"claim of {to_hex(event.client)} in block {event.block}"):
                    _check_claim(case, replay, books, event, allocations)
                books.claims += event.amount
                books.claimed[event.client] = max(books.claimed.get(event.client, 0), event.cumulative)
            case Refunded():
                with report.check(24, f"refund in block {event.block}"):
                    _check_refund(case, replay.state, books, event)
            case BondForfeited():
                books.forfeited += event.amount - event.amount // 2
            case RoundPublished() | RoundAbandoned():
                if case.evidence.time(event) < (replay.state.payable_from() or 0):
                    books.hasty.append(event.round)
    for client, view in sorted(case.evidence.enrolments.items()):
        with report.check(22, f"client {to_hex(client)} view"):
            same("claimed in the view", view.claimed, books.claimed.get(client, 0))
            same("standing in the view", case.evidence.standings.get(client), replay.standing(client))
    with report.check(23, f"task {case.evidence.task}"):
        _check_books(case, replay.state, books)


def same_allocation(claimed: Allocation, derived: Allocation) -> None:
    """Raises VerificationError that names the first client whose amount or reputation does not follow."""
    clients = [entry.client for entry in derived.entitlements]
    same("clients of the allocation", [entry.client for entry in claimed.entitlements], clients)
    for ours, theirs in zip(derived.entitlements, claimed.entitlements, strict=True):
        same(f"earned by {to_hex(ours.client)}", theirs.cumulative, ours.cumulative)
        same(f"reputation of {to_hex(ours.client)}", theirs.reputation, ours.reputation)
    same("allocation", claimed, derived)


def _check_claim(
    case: Case, replay: Replay, books: _Books, claim: Claimed, allocations: Mapping[int, Allocation]
) -> None:
    state, time, window = replay.state, case.evidence.time(claim), _window(case)
    settled = [facts.settled for facts in state.rounds if facts.settled]
    payable = [one for one in settled if time >= case.evidence.time(one) + window]
    require(bool(payable), "a claim before anything was allocated")
    number = payable[-1].round
    leaf = Entitlement(claim.client, claim.cumulative, claim.reputation)
    allocation = known(allocations.get(number), f"the allocation of round {number}")
    require(leaf in allocation.entitlements, "paid what no leaf of the standing allocation says")
    same("amount", claim.amount, max(0, claim.cumulative - books.claimed.get(claim.client, 0)))
    require(claim.amount > 0 or claim.freed, "an empty claim")
    working = replay.standing(claim.client).task == case.evidence.task
    same("the client's last leaf here", claim.freed, working and is_final(state, claim.client, time))
    require(time <= case.evidence.task_view.claim_until, "a claim after the deadline")


def _check_refund(case: Case, state: TaskState, books: _Books, refund: Refunded) -> None:
    posted, view, time = known(state.posted, "TaskPosted"), case.evidence.task_view, case.evidence.time(refund)
    same("payee", refund.manufacturer, posted.manufacturer)
    last, after_claims = state.last_settled(), time > view.claim_until
    owed = (last.settled.allocated if last and last.settled else 0) - books.claims
    rest = posted.escrow + books.forfeited - books.claims - state.refunded
    same("amount", refund.amount, rest - (0 if after_claims else owed))
    over = state.current is None and is_over(state, time)
    require(after_claims or over, "refunded before the task's end")


def _check_books(case: Case, state: TaskState, books: _Books) -> None:
    evidence, view, posted = case.evidence, case.evidence.task_view, known(state.posted, "TaskPosted")
    same("escrow", view.escrow, posted.escrow + books.forfeited - books.claims - state.refunded)
    same("claimed", view.claimed, books.claims)
    same("deposits", view.deposits, check_deposits(case))
    ended = [facts for facts in state.rounds if isinstance(facts.ended, Settled)]
    standing: list[Settled | None] = [None, None, *(facts.settled for facts in ended if facts.settled)]
    if ended and ended[-1].frozen:
        standing.append(None)  # nothing is pending
    before, last = standing[-2:]
    same("allocated", view.allocated, before.allocated if before else 0)
    same("allocation root", view.allocation_root, before.allocation_root if before else ZERO_DIGEST)
    pending = (view.pending_round, view.payable_from, view.pending_allocated, view.pending_root)
    derived = (0, 0, 0, ZERO_DIGEST)
    if last is not None:
        derived = (last.round, evidence.time(last) + _window(case), last.allocated, last.allocation_root)
    same("pending payout", pending, derived)
    require(not books.hasty, f"rounds {books.hasty} were settled inside the dispute window of the one before")
    allocated = max((settled.allocated for settled in standing if settled), default=0)
    covered = books.claims <= allocated <= posted.escrow
    require(covered, "more claimed than allocated, or more allocated than posted")
    same("number of tasks", evidence.task_count, sum(isinstance(event, TaskPosted) for event in evidence.events))
    # Anybody can force ether into a contract, so only a shortfall says something.
    same("escrow in the ledger's total", evidence.held.get(evidence.task), view.escrow + view.deposits)
    owed = sum(evidence.held.values())
    require(evidence.balance >= owed, f"the ledger holds {evidence.balance} and owes {owed}")


def _window(case: Case) -> int:
    return known(case.state.posted, "TaskPosted").terms.dispute_seconds
