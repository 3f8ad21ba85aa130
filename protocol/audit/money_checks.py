"""Checks 21 to 24: allocations, claims against them, the books against the balance, refunds."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.audit.deposit_checks import check_deposits
from protocol.audit.evidence import ChainEvidence
from protocol.audit.report import Report, known, require, same
from protocol.audit.task_checks import TaskFacts, of_task, standing_before
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.messages.chain import (
    BondForfeited,
    Claimed,
    Event,
    Refunded,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    TaskPosted,
)
from protocol.messages.settlement import Allocation, Entitlement

Settled = RoundPublished | RoundAbandoned


def check_money(
    report: Report, evidence: ChainEvidence, task: TaskFacts, allocations: Mapping[int, Allocation | None]
) -> None:
    """``allocations`` by settled round, as derived; None where one could not be established."""
    _check_claims(report, evidence, task, allocations)
    with report.check(23, f"task {evidence.task}"):
        _check_books(evidence, task)
    for event in of_task(evidence, Refunded):
        with report.check(24, f"refund in block {event.block}"):
            _check_refund(evidence, task, event)


def same_allocation(claimed: Allocation, derived: Allocation) -> None:
    """Raises VerificationError that names the first client whose amount or reputation does not follow."""
    clients = [entry.client for entry in derived.entitlements]
    same("clients of the allocation", [entry.client for entry in claimed.entitlements], clients)
    for ours, theirs in zip(derived.entitlements, claimed.entitlements, strict=True):
        same(f"earned by {to_hex(ours.client)}", theirs.cumulative, ours.cumulative)
        same(f"reputation of {to_hex(ours.client)}", theirs.reputation, ours.reputation)
    same("allocation", claimed, derived)


def _check_claims(
    report: Report, evidence: ChainEvidence, task: TaskFacts, allocations: Mapping[int, Allocation | None]
) -> None:
    claimed: dict[Address, int] = {}
    for event in of_task(evidence, Claimed):
        paid_before = claimed.get(event.client, 0)
        claimed[event.client] = max(paid_before, event.cumulative)
        with report.check(22, f"claim of {to_hex(event.client)} in block {event.block}"):
            time = evidence.timestamps[event.block]
            latest = [s for s in _standing(evidence, event) if time >= _payable_from(evidence, task, s)]
            require(bool(latest), "a claim before anything was allocated")
            allocation = known(allocations.get(latest[-1].round), f"the allocation of round {latest[-1].round}")
            leaf = Entitlement(event.client, event.cumulative, event.reputation)
            require(leaf in allocation.entitlements, "paid what no leaf of the standing allocation says")
            same("amount", event.amount, max(0, event.cumulative - paid_before))
            require(event.amount > 0 or event.freed, "an empty claim")
            working = standing_before(evidence.events, evidence.timestamps, event.client, event).task == evidence.task
            same("the client's last leaf here", event.freed, working and _is_final(evidence, task, event))
            in_time = evidence.timestamps[event.block] <= evidence.task_view.claim_until
            require(in_time, "a claim after the deadline")
    for client, view in sorted(evidence.enrolments.items()):
        with report.check(22, f"client {to_hex(client)} view"):
            same("claimed in the view", view.claimed, claimed.get(client, 0))
            derived = standing_before(evidence.events, evidence.timestamps, client, None)
            same("standing in the view", evidence.standings.get(client), derived)


def _check_books(evidence: ChainEvidence, task: TaskFacts) -> None:
    view, posted = evidence.task_view, known(task.posted, "TaskPosted")
    claims = sum(event.amount for event in of_task(evidence, Claimed))
    refunds = sum(event.amount for event in of_task(evidence, Refunded))
    same("escrow", view.escrow, posted.escrow + _forfeited(evidence, None) - claims - refunds)
    same("claimed", view.claimed, claims)
    same("deposits", view.deposits, check_deposits(evidence, task))
    settled = [e for e in evidence.events if isinstance(e, Settled) and e.task == evidence.task]
    standing: list[Settled | None] = [None, None, *_standing(evidence, None)]
    if settled and settled[-1] not in standing:
        standing.append(None)  # frozen: nothing is pending
    before, last = standing[-2:]
    same("allocated", view.allocated, before.allocated if before else 0)
    same("allocation root", view.allocation_root, before.allocation_root if before else ZERO_DIGEST)
    pending = (view.pending_round, view.payable_from, view.pending_allocated, view.pending_root)
    derived = (last.round, _payable_from(evidence, task, last), last.allocated, last.allocation_root) if last else None
    same("pending payout", pending, derived or (0, 0, 0, ZERO_DIGEST))
    for event, other in zip(settled[1:], settled, strict=False):
        if other not in _standing(evidence, event):
            continue
        in_turn = evidence.timestamps[event.block] >= _payable_from(evidence, task, other)
        require(in_turn, f"round {event.round} was settled inside the dispute window of the one before")
    allocated = max((settled.allocated for settled in standing if settled), default=0)
    require(claims <= allocated <= posted.escrow, "more claimed than allocated, or more allocated than posted")
    opened = of_task(evidence, RoundOpened)
    same("rounds opened", [event.round for event in opened], list(range(1, view.last_round + 1)))
    posts = [event for event in evidence.events if isinstance(event, TaskPosted)]
    same("number of tasks", evidence.task_count, len(posts))
    # Anybody can force ether into a contract, so only a shortfall says something.
    same("escrow in the ledger's total", evidence.held.get(evidence.task), view.escrow + view.deposits)
    owed = sum(evidence.held.values())
    require(evidence.balance >= owed, f"the ledger holds {evidence.balance} and owes {owed}")


def _check_refund(evidence: ChainEvidence, task: TaskFacts, event: Refunded) -> None:
    posted, view = known(task.posted, "TaskPosted"), evidence.task_view
    same("payee", event.manufacturer, posted.manufacturer)
    before = [e for e in evidence.events if _position(e) < _position(event)]
    time = evidence.timestamps[event.block]
    mine = [e for e in before if getattr(e, "task", None) == evidence.task]
    settled = _standing(evidence, event)
    claims = sum(e.amount for e in mine if isinstance(e, Claimed))
    refunds = sum(e.amount for e in mine if isinstance(e, Refunded))
    owed = (settled[-1].allocated if settled else 0) - claims
    after_claims = time > view.claim_until
    same(
        "amount",
        event.amount,
        posted.escrow + _forfeited(evidence, event) - claims - refunds - (0 if after_claims else owed),
    )
    opened, idle = _rounds_before(evidence, event)
    over = _is_over(evidence, opened, time)
    require(after_claims or (idle and over), "refunded before the task's end")


def _is_final(evidence: ChainEvidence, task: TaskFacts, claim: Claimed) -> bool:
    """Nothing that the client had a part in ran or could be disputed when it claimed, and nothing was to come."""
    time, (opened, idle) = evidence.timestamps[claim.block], _rounds_before(evidence, claim)
    left = (task.left or {}).get(claim.client)
    gone = left is not None and _position(left) < _position(claim)
    if not gone and not _is_over(evidence, opened, time):
        return False
    through, settled = opened if idle else opened - 1, _standing(evidence, claim)
    if settled and settled[-1].round == through and time < _payable_from(evidence, task, settled[-1]):
        through -= 1
    return through >= (_rounds_before(evidence, left)[0] if left is not None and gone else opened)


def _rounds_before(evidence: ChainEvidence, event: Event) -> tuple[int, bool]:
    """How many rounds were open before ``event``, and whether all of them had ended."""
    mine = [e for e in evidence.events if getattr(e, "task", None) == evidence.task and _position(e) < _position(event)]
    opened = {e.round for e in mine if isinstance(e, RoundOpened)}
    ended = {e.round for e in mine if isinstance(e, Settled | RoundExpired | RoundFrozen)}
    return len(opened), opened == ended


def _is_over(evidence: ChainEvidence, opened: int, time: int) -> bool:
    """No other round may open."""
    view = evidence.task_view
    too_few = time > view.enrol_until and view.enrolled < view.min_clients
    return opened == view.rounds or time > view.task_until or too_few


def _standing(evidence: ChainEvidence, until: Event | None) -> list[Settled]:
    """Settled rounds right before ``until`` (or after all events) that no dispute has frozen by then."""
    past = [e for e in evidence.events if until is None or _position(e) < _position(until)]
    frozen = {e.round for e in past if isinstance(e, RoundFrozen) and e.task == evidence.task}
    return [e for e in past if isinstance(e, Settled) and e.task == evidence.task and e.round not in frozen]


def _forfeited(evidence: ChainEvidence, until: Event | None) -> int:
    """What broken bonds brought into the escrow right before ``until``, or in all: their larger halves."""
    broken = [e for e in of_task(evidence, BondForfeited) if until is None or _position(e) < _position(until)]
    return sum(event.amount - event.amount // 2 for event in broken)


def _payable_from(evidence: ChainEvidence, task: TaskFacts, settled: Settled) -> int:
    window = known(task.posted, "TaskPosted").terms.dispute_seconds
    return evidence.timestamps[settled.block] + window


def _position(event: Event) -> tuple[int, int]:
    return event.block, event.log_index
