"""Checks 22 to 24 and 26: claims, the books against the balance, refunds, compensations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.audit.case import Case, known
from protocol.audit.deposit_checks import check_deposits
from protocol.audit.evidence import Replay
from protocol.audit.forfeits import owed_together
from protocol.audit.report import require, same
from protocol.audit.wording import said
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.messages.chain import (
    BondForfeited,
    Claimed,
    Compensated,
    Refunded,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundPublished,
    TaskPosted,
)
from protocol.messages.settlement import Allocation, Entitlement
from protocol.task.ending import is_final, is_over
from protocol.task.round_facts import Settled
from protocol.task.state import TaskState


@dataclass
class _Books:
    """Sums over the events so far."""

    claimed: dict[Address, int] = field(default_factory=dict)  # the highest leaf that was paid
    claims: int = 0
    compensations: int = 0
    reserved: int = 0  # what rounds that were not published still owe
    forfeited: int = 0  # what lost bonds brought into the escrow
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
            case Compensated():
                with report.check(26, f"round {event.round} client {to_hex(event.client)}"):
                    _check_compensation(case, replay, event)
                books.compensations += event.amount
                books.reserved -= event.amount
            case RoundExpired(round=number) | RoundFrozen(round=number):
                books.reserved += owed_together(replay.state, number)
            case Refunded():
                with report.check(24, f"refund in block {event.block}"):
                    _check_refund(case, replay.state, books, event)
            case BondForfeited():
                books.forfeited += event.amount - event.share
            case RoundPublished() | RoundAbandoned():
                if case.evidence.time(event) < (replay.state.payable_from() or 0):
                    books.hasty.append(event.round)
    for client, view in sorted(case.evidence.enrolments.items()):
        with report.check(22, f"client {to_hex(client)} view"):
            same("claimed in the view", case.amount(view.claimed), case.amount(books.claimed.get(client, 0)))
            same("standing in the view", case.evidence.standings.get(client), replay.standing(client))
    with report.check(23, f"task {case.evidence.task}"):
        _check_books(case, replay.state, books)


def _check_claim(
    case: Case, replay: Replay, books: _Books, claim: Claimed, allocations: Mapping[int, Allocation]
) -> None:
    state, time, window = replay.state, case.evidence.time(claim), _window(case)
    settled = [facts.settled for facts in state.rounds if facts.settled]
    payable = [one for one in settled if time >= case.evidence.time(one) + window]
    require(bool(payable), "a claim before anything was allocated")
    require(claim.client in state.enrolled or _has_role(case, state, claim.client), "a claim of nobody in the task")
    number = payable[-1].round
    leaf = Entitlement(claim.client, claim.cumulative, claim.reputation)
    allocation = known(allocations.get(number), f"the allocation of round {number}")
    require(leaf in allocation.entitlements, "paid what no leaf of the standing allocation says")
    unpaid = max(0, claim.cumulative - books.claimed.get(claim.client, 0))
    same("amount", case.amount(claim.amount), case.amount(unpaid))
    require(claim.amount > 0 or claim.freed, "an empty claim")
    working = replay.standing(claim.client).task == case.evidence.task
    same("the client's last leaf here", claim.freed, working and is_final(state, claim.client, time))
    require(time <= case.evidence.task_view.claim_until, "a claim after the deadline")


def _check_refund(case: Case, state: TaskState, books: _Books, refund: Refunded) -> None:
    posted, view, time = (
        known(state.posted, "the posting of the task"),
        case.evidence.task_view,
        case.evidence.time(refund),
    )
    same("payee", refund.manufacturer, posted.manufacturer)
    last, after_claims = state.last_settled(), time > view.claim_until
    owed = (last.settled.allocated if last and last.settled else 0) - books.claims
    free = _escrow(posted, state, books) - (0 if after_claims else owed + books.reserved)
    same("amount", case.amount(refund.amount), case.amount(free))
    require(state.current is None and is_over(state, time), "refunded before the task's end")


def _check_compensation(case: Case, replay: Replay, event: Compensated) -> None:
    facts, terms = replay.state.round(event.round), known(replay.state.posted, "the posting of the task").terms
    if facts is None or not facts.compensates:
        raise VerificationError("paid for a round that may still be published, or was")
    require((event.round, event.client) not in replay.state.compensated, "paid for the second time")
    require(case.evidence.time(event) <= case.evidence.task_view.claim_until, "paid after the deadline")
    same("amount", case.amount(event.amount), case.amount(facts.compensation(terms)))
    committed = known(case.state.committed(event.round), "plan and batch of the round")
    require(event.client in committed, "paid to somebody who did not commit as planned")


def _has_role(case: Case, state: TaskState, address: Address) -> bool:
    terms = known(case.state.posted, "the posting of the task").terms
    return address in (*terms.edge_servers, *terms.authorities) and address not in state.dismissed


def _escrow(posted: TaskPosted, state: TaskState, books: _Books) -> int:
    return posted.escrow + books.forfeited - books.claims - books.compensations - state.refunded


def _check_books(case: Case, state: TaskState, books: _Books) -> None:
    evidence, view, posted = case.evidence, case.evidence.task_view, known(state.posted, "the posting of the task")
    same("escrow", case.amount(view.escrow), case.amount(_escrow(posted, state, books)))
    same("reserved", case.amount(view.reserved), case.amount(books.reserved))
    same("claimed", case.amount(view.claimed), case.amount(books.claims))
    same("deposits", case.amount(view.deposits), case.amount(check_deposits(case)))
    ended = [facts for facts in state.rounds if isinstance(facts.ended, Settled)]
    standing: list[Settled | None] = [None, None, *(facts.settled for facts in ended if facts.settled)]
    if ended and ended[-1].frozen:
        standing.append(None)  # nothing is pending
    before, last = standing[-2:]
    same("allocated", case.amount(view.allocated), case.amount(before.allocated if before else 0))
    same("allocation root", view.allocation_root, before.allocation_root if before else ZERO_DIGEST)
    same("round of the pending payout", view.pending_round, last.round if last else 0)
    same("pending payout can be claimed from", view.payable_from, evidence.time(last) + _window(case) if last else 0)
    same("pending payout", case.amount(view.pending_allocated), case.amount(last.allocated if last else 0))
    same("root of the pending payout", view.pending_root, last.allocation_root if last else ZERO_DIGEST)
    settlers = posted.terms.edge_servers[view.pending_server : view.pending_server + 1]
    settler = ended[-1].ended_by if ended else posted.terms.edge_servers[0]
    same("server that settled last in the view", settlers, (settler,))
    require(not books.hasty, f"rounds {said(books.hasty)} were settled inside the dispute window of the one before")
    allocated = max((settled.allocated for settled in standing if settled), default=0)
    covered = books.claims <= allocated and allocated + books.compensations <= posted.escrow + books.forfeited
    require(covered, "more claimed than allocated, or more owed than posted")
    same("number of tasks", evidence.task_count, sum(isinstance(event, TaskPosted) for event in evidence.events))
    # Anybody can force ether into a contract, so only a shortfall says something.
    held = case.amount(evidence.held.get(evidence.task, 0))
    same("escrow in the ledger's total", held, case.amount(view.escrow + view.deposits))
    owed = sum(evidence.held.values())
    require(evidence.balance >= owed, f"the ledger holds {case.amount(evidence.balance)} and owes {owed}")


def _window(case: Case) -> int:
    return known(case.state.posted, "the posting of the task").terms.dispute_seconds
