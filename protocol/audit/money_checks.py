"""Checks 21 to 24: allocations, claims against them, the books against the balance, refunds."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.audit.evidence import ChainEvidence
from protocol.audit.report import Report, known, require, same
from protocol.audit.task_checks import TaskFacts, of_task
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.messages.chain import (
    Claimed,
    Event,
    Refunded,
    RoundAbandoned,
    RoundExpired,
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
    _check_claims(report, evidence, allocations)
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
        same(f"earned by {to_hex(ours.client)}", theirs.cumulative_wei, ours.cumulative_wei)
        same(f"reputation of {to_hex(ours.client)}", theirs.reputation, ours.reputation)
    same("allocation", claimed, derived)


def _check_claims(report: Report, evidence: ChainEvidence, allocations: Mapping[int, Allocation | None]) -> None:
    claimed: dict[Address, int] = {}
    settled = [event for event in evidence.events if isinstance(event, Settled) and event.task == evidence.task]
    for event in of_task(evidence, Claimed):
        paid_before = claimed.get(event.client, 0)
        claimed[event.client] = event.cumulative
        with report.check(22, f"claim of {to_hex(event.client)} in block {event.block}"):
            latest = [s for s in settled if _position(s) < _position(event)]
            require(bool(latest), "a claim before anything was allocated")
            allocation = known(allocations.get(latest[-1].round), f"the allocation of round {latest[-1].round}")
            leaf = Entitlement(event.client, event.cumulative, event.reputation)
            require(leaf in allocation.entitlements, "paid what no leaf of the standing allocation says")
            same("amount", event.amount, event.cumulative - paid_before)
            require(event.amount > 0, "an empty claim")
            in_time = evidence.timestamps[event.block] <= evidence.task_view.claim_until
            require(in_time, "a claim after the deadline")
    for client, amount in sorted(evidence.claimed_wei.items()):
        with report.check(22, f"client {to_hex(client)} view"):
            same("claimed in the view", amount, claimed.get(client, 0))
            last = [e for e in evidence.events if isinstance(e, Claimed) and e.client == client]
            same("reputation in the view", evidence.reputations[client], last[-1].reputation if last else None)


def _check_books(evidence: ChainEvidence, task: TaskFacts) -> None:
    view, posted = evidence.task_view, known(task.posted, "TaskPosted")
    claims = sum(event.amount for event in of_task(evidence, Claimed))
    refunds = sum(event.amount for event in of_task(evidence, Refunded))
    same("escrow", view.escrow, posted.escrow - claims - refunds)
    same("claimed", view.claimed, claims)
    settled = [event for event in evidence.events if isinstance(event, Settled) and event.task == evidence.task]
    allocated = settled[-1].allocated if settled else 0
    same("allocated", view.allocated, allocated)
    same("allocation root", view.allocation_root, settled[-1].allocation_root if settled else ZERO_DIGEST)
    require(claims <= allocated <= posted.escrow, "more claimed than allocated, or more allocated than posted")
    opened = of_task(evidence, RoundOpened)
    same("rounds opened", [event.round for event in opened], list(range(1, view.last_round + 1)))
    posts = [event for event in evidence.events if isinstance(event, TaskPosted)]
    same("number of tasks", evidence.task_count, len(posts))
    # Anybody can force ether into a contract, so only a shortfall says something.
    same("escrow in the ledger's total", evidence.escrows_wei.get(evidence.task), view.escrow)
    owed = sum(evidence.escrows_wei.values())
    require(evidence.balance_wei >= owed, f"the ledger holds {evidence.balance_wei} wei and owes {owed}")


def _check_refund(evidence: ChainEvidence, task: TaskFacts, event: Refunded) -> None:
    posted, view = known(task.posted, "TaskPosted"), evidence.task_view
    same("payee", event.manufacturer, posted.manufacturer)
    before = [e for e in evidence.events if _position(e) < _position(event)]
    time = evidence.timestamps[event.block]
    mine = [e for e in before if getattr(e, "task", None) == evidence.task]
    settled = [e for e in mine if isinstance(e, Settled)]
    claims = sum(e.amount for e in mine if isinstance(e, Claimed))
    refunds = sum(e.amount for e in mine if isinstance(e, Refunded))
    owed = (settled[-1].allocated if settled else 0) - claims
    after_claims = time > view.claim_until
    same("amount", event.amount, posted.escrow - claims - refunds - (0 if after_claims else owed))
    opened = [e for e in mine if isinstance(e, RoundOpened)]
    ended = [e for e in mine if isinstance(e, Settled | RoundExpired)]
    idle = len(opened) == len(ended)
    never_started = time > view.enrol_until and not opened and view.enrolled < view.min_clients
    over = len(ended) == view.rounds or time > view.task_until or never_started
    require(after_claims or (idle and over), "refunded before the task's end")


def _position(event: Event) -> tuple[int, int]:
    return event.block, event.log_index
