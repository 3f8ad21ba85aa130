"""Invariant 8, events rebuild storage: what the contract keeps as a fold over what it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from protocol.incentives.standing import counted, settled
from protocol.messages.chain import (
    DEFAULT_RULES,
    BatchCommitted,
    BondForfeited,
    BondPlaced,
    BondReturned,
    BondView,
    Claimed,
    CohortDrawn,
    Compensated,
    Credited,
    DirectCommitted,
    DrawLapsed,
    Enrolled,
    EnrolmentFull,
    EnrolmentView,
    Event,
    KeyRequested,
    Left,
    Refunded,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    ScreeningRequested,
    StakeReturned,
    Standing,
    TakenOver,
    TaskPosted,
    TaskView,
    VoucherShown,
    Withdrawn,
)
from protocol.messages.rosters import RosterPosted
from protocol.round.state_table import RoundState
from protocol.task.word import next_word
from storage.ledger.ethereum.decoding import event_digest
from tests.reference_ledger.books import RUNNING, Books, Role, write

# a waiting period passes in a task, or between two
RULES: Final = replace(DEFAULT_RULES, waiting_seconds=2_000, claim_seconds=500)
MONEY = ("held", "allowed", "tokens", "banned")  # no event of the ledger says who else holds what


def rebuild(events: Sequence[Event], times: Sequence[int]) -> Books:
    """``times`` are the timestamps of the blocks, by number."""
    books = Books.empty()
    for event in events:
        _apply(books, event, times[event.block])
        task = event.task  # type: ignore[attr-defined]
        word = next_word(books.tasks[task].word, times[event.block], event_digest(event))
        write(books.tasks, task, word=word)
    return books


def kept(books: Books) -> dict[str, dict[Any, Any]]:
    """What is not zero in each table but those of money."""
    tables = {name: table for name, table in vars(books).items() if name not in MONEY}
    return {name: {key: row for key, row in table.items() if row != table.zero} for name, table in tables.items()}


def _apply(books: Books, event: Event, time: int) -> None:
    match event:
        case TaskPosted():
            _post(books, event)
        case TakenOver():
            write(books.tasks, event.task, edge_server=event.edge_server)
        case EnrolmentFull():
            write(books.tasks, event.task, enrol_until=event.enrol_until)
        case CohortDrawn():
            write(books.tasks, event.task, drawn_at=event.drawn_at)
        case DrawLapsed():
            write(books.tasks, event.task, drawn_at=0, rounds=books.tasks[event.task].rounds - 1)
        case RoundOpened():
            shown = books.tasks[event.task]
            names = ("label", "cohort_root", "cohort", "commit_until", "settle_until")
            fields = {name: getattr(event, name) for name in names}
            server = books.bonds[event.task, shown.edge_server].index
            write(books.rounds, (event.task, event.round), state=RoundState.OPEN, server=server, **fields)
            write(books.tasks, event.task, last_round=event.round, drawn_at=0)
            books.rosters[event.task] = 0
        case BatchCommitted():
            batch = {"batch_root": event.root, "batched": event.count, "object_until": event.object_until}
            write(books.rounds, (event.task, event.round), **batch)
        case DirectCommitted():
            books.committed[event.task, event.round, event.client] = True
            direct = books.rounds[event.task, event.round].direct
            write(books.rounds, (event.task, event.round), direct=direct + 1)
        case ScreeningRequested():
            write(books.rounds, (event.task, event.round), screening=event.request)
        case KeyRequested():
            write(books.rounds, (event.task, event.round), state=RoundState.REQUESTED, request=event.request)
        case RoundPublished():
            _settle(books, event, RoundState.PUBLISHED, time)
        case RoundAbandoned():
            _settle(books, event, RoundState.ABANDONED, time)
        case RoundExpired():
            _owe(books, event, RoundState.EXPIRED)
        case RoundFrozen():
            if books.rounds[event.task, event.round].state not in RUNNING:
                void = {"pending_round": 0, "payable_from": 0, "pending_root": bytes(32), "pending_allocated": 0}
                write(books.tasks, event.task, **void)
            _owe(books, event, RoundState.FROZEN)
        case _:
            _apply_to_party(books, event, time)


def _apply_to_party(books: Books, event: Event, time: int) -> None:
    match event:
        case Enrolled():
            stake = books.terms[event.task].stake
            enrolment = EnrolmentView(event.envelope, 0, 0, event.reputation, False, stake != 0)
            books.enrolments[event.task, event.client] = enrolment
            write(books.standings, event.client, task=event.task)
            if event.signer != event.client:
                books.signers[event.task, event.client] = event.signer
            _add(books, event.task, enrolled=1, deposits=stake)
        case Left():
            last = books.tasks[event.task].last_round
            write(books.enrolments, (event.task, event.client), left=True, left_round=last)
        case Claimed():
            claimed = books.enrolments[event.task, event.client].claimed + event.amount
            write(books.enrolments, (event.task, event.client), claimed=claimed)
            _add(books, event.task, claimed=event.amount, escrow=-event.amount)
            if books.standings[event.client].task == event.task:
                books.standings[event.client] = _stand(books, event, time)
        case Compensated():
            books.compensated[event.task, event.round, event.client] = True
            _add(books, event.task, reserved=-event.amount, escrow=-event.amount)
        case RosterPosted():
            write(books.bonds, (event.task, event.authority), rosters=event.window + 1)
            books.rosters[event.task] += 1
        case StakeReturned():
            write(books.enrolments, (event.task, event.client), staked=False)
            _add(books, event.task, deposits=-event.amount)
        case BondPlaced():
            write(books.bonds, (event.task, event.holder), placed=True, amount=event.amount)
            _add(books, event.task, deposits=event.amount)
            books.bonded[event.task] += books.bonds[event.task, event.holder].role == Role.AUTHORITY
        case BondReturned():
            write(books.bonds, (event.task, event.holder), amount=0)
            _add(books, event.task, deposits=-event.amount)
        case BondForfeited():
            _dismiss(books, event)
            _add(books, event.task, deposits=-event.amount, escrow=event.amount - event.share)
        case Credited():
            books.credits[event.task, event.holder] += event.amount
            _add(books, event.task, deposits=event.amount)
        case Withdrawn():
            books.credits[event.task, event.holder] -= event.amount
            _add(books, event.task, deposits=-event.amount)
        case Refunded():
            _add(books, event.task, escrow=-event.amount)
        case VoucherShown():
            assert any(books.terms[event.task].voucher_key)  # nothing is kept of it
        case _:
            raise AssertionError(f"what does {event} say?")


def _stand(books: Books, event: Claimed, time: int) -> Standing:
    """By the auditor's rules."""
    standing, sources = books.standings[event.client], books.terms[event.task].reputation_sources
    is_listed = not sources or standing.source == event.task or books.tasks[standing.source].manufacturer in sources
    worth = counted(standing, is_listed, RULES, time)
    after = settled(standing, worth, event.reputation, event.task, RULES, time)
    return replace(after, task=0 if event.freed else event.task)


def _post(books: Books, event: TaskPosted) -> None:
    terms = event.terms
    books.terms[event.task] = terms
    if any(terms.voucher_key):
        books.voucher_keys[terms.voucher_key] = True
    books.servers[event.task], books.authorities[event.task] = len(terms.edge_servers), len(terms.authorities)
    for role, holders in ((Role.EDGE_SERVER, terms.edge_servers), (Role.AUTHORITY, terms.authorities)):
        for index, holder in enumerate(holders):
            books.bonds[event.task, holder] = BondView(role, index, False, 0, 0)
    same = set(TaskView.__dataclass_fields__)
    said = {name: getattr(terms, name) for name in same & set(type(terms).__dataclass_fields__)}
    said |= {name: getattr(event, name) for name in same & set(type(event).__dataclass_fields__)}
    write(books.tasks, event.task, edge_server=terms.edge_servers[0], **said)


def _settle(books: Books, event: RoundPublished | RoundAbandoned, state: RoundState, time: int) -> None:
    root, allocated = books.tasks[event.task].payable(time)
    write(books.rounds, (event.task, event.round), state=state)
    write(
        books.tasks,
        event.task,
        allocation_root=root,
        allocated=allocated,
        pending_round=event.round,
        pending_server=books.bonds[event.task, books.tasks[event.task].edge_server].index,
        pending_root=event.allocation_root,
        pending_allocated=event.allocated,
        payable_from=time + books.terms[event.task].dispute_seconds,
    )


def _owe(books: Books, event: RoundExpired | RoundFrozen, state: RoundState) -> None:
    """Of a batch the contract knows no client, so it keeps back what the cohort could ask for."""
    ended, shown = books.rounds[event.task, event.round], books.tasks[event.task]
    each = shown.participation + (shown.contribution if any(ended.request) else 0)
    write(books.rounds, (event.task, event.round), state=state)
    _add(books, event.task, reserved=each * (ended.cohort if ended.batched else ended.direct))


def _dismiss(books: Books, event: BondForfeited) -> None:
    task, bond = event.task, books.bonds[event.task, event.holder]
    write(books.bonds, (task, event.holder), role=Role.NONE, amount=bond.amount - event.amount)
    if bond.role == Role.EDGE_SERVER:
        books.servers[task] -= 1
    else:
        books.authorities[task] -= 1
        books.bonded[task] -= bond.placed
    if not books.servers[task] or books.authorities[task] < books.terms[task].threshold:
        write(books.tasks, task, stopped=True)


def _add(books: Books, task: int, **amounts: int) -> None:
    shown = books.tasks[task]
    write(books.tasks, task, **{name: getattr(shown, name) + amount for name, amount in amounts.items()})
