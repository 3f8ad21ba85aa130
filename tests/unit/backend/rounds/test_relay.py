"""What the edge server relays: many in one transaction, none for nothing, none kept out by another."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest

from backend.rounds.inbox import Inbox
from backend.rounds.relay import CLAIMS_AT_ONCE, ENROLMENTS_AT_ONCE, REPLACED_SECONDS, Relay
from protocol.messages.submission import Leave, SignedEnrolment, SignedLeave
from protocol.task.state import TaskState
from storage.ledger.interface import Ledger, LedgerError, TransactionRevertedError
from storage.records.memory import MemoryRecords
from tests.unit.backend.rounds.scene_relay import (
    OWN,
    TASK,
    PlayedLedger,
    allocation,
    client,
    enrolment,
    relay,
    running,
)
from tests.voucher_keys import KEYS

CROWD = 600


def test_all_that_wait_go_in_one_transaction_and_one_alone_in_a_claim_of_its_own() -> None:
    ledger = PlayedLedger(allocation(5))
    assert relay(ledger, {client(1), client(4), client(99)}) == [(client(1), client(4))]
    assert relay(ledger, {client(2)}) == [(client(2),)]


def test_nothing_is_paid_for_those_who_have_everything() -> None:
    ledger = PlayedLedger(allocation(4))
    ledger.paid = {client(number): 10 for number in (1, 2)}
    ledger.freed = {client(2)}
    assert relay(ledger, {client(number) for number in range(1, 5)}) == [(client(3), client(4)), (client(1),)]
    ledger.freed |= {client(1), client(3), client(4)}
    assert relay(ledger, {client(number) for number in range(1, 5)}) == []


@pytest.mark.parametrize("bad", [1, 2, 4])
def test_one_that_cannot_be_paid_keeps_no_other_out(bad: int) -> None:
    ledger = PlayedLedger(allocation(4), unpayable={client(bad)})
    good = [client(number) for number in range(1, 5) if number != bad]
    assert relay(ledger, {*good, client(bad)}) == [(one,) for one in good]


def test_a_transaction_has_room_for_so_many() -> None:
    ledger = PlayedLedger(allocation(2 * CLAIMS_AT_ONCE + 1))
    everybody = {entry.client for entry in ledger.owed.entitlements}
    assert [len(part) for part in relay(ledger, everybody)] == [CLAIMS_AT_ONCE, CLAIMS_AT_ONCE, 1]


def test_before_anything_is_settled_claims_wait() -> None:
    inbox, ledger = Inbox(MemoryRecords()), PlayedLedger(allocation(1))
    inbox.claim(TASK, client(1))
    Relay(cast(Ledger, ledger), inbox).send(TaskState(TASK), 0)
    assert ledger.sent == [] and inbox.waiting(TASK).claims.keys() == {client(1)}


def test_what_fails_waits_and_what_is_refused_does_not() -> None:
    inbox, ledger = Inbox(MemoryRecords()), mock.Mock()
    leaves = [Leave(TASK, client(number)) for number in (1, 2)]
    for leave in leaves:
        inbox.leave(SignedLeave(leave, bytes(65)))
    ledger.leave.side_effect = [TransactionRevertedError("NotEnrolled"), LedgerError("away"), None]
    for waiting in ({client(2)}, {client(2)}, set()):
        Relay(ledger, inbox).send(TaskState(TASK), 0)
        assert inbox.waiting(TASK).leaves.keys() == waiting


def test_one_bad_enrolment_keeps_no_other_out() -> None:
    inbox, ledger, sent = Inbox(MemoryRecords()), mock.Mock(), list[bytes]()
    for number in (1, 2, 3):
        inbox.enrol(enrolment(number))

    def enrol(enrolments: list[SignedEnrolment]) -> None:
        if client(2) in [signed.enrolment.client for signed in enrolments]:
            raise TransactionRevertedError("SignatureInvalid")
        sent.extend(signed.enrolment.client for signed in enrolments)

    ledger.enrol.side_effect = enrol
    relaying = Relay(ledger, inbox)
    for calls in range(1, 5):
        relaying.send(TaskState(TASK), 0)
        assert ledger.enrol.call_count == calls
    assert sent == [client(1), client(3)] and inbox.waiting(TASK).enrolments == {}


def crowded(deadline: int = 1_000) -> Inbox:
    """A crowd has signed up, each with its own signature."""
    inbox = Inbox(MemoryRecords())
    for number in range(1, CROWD + 1):
        inbox.enrol(enrolment(number, deadline))
    return inbox


def test_enrolments_go_in_companies_while_rounds_run() -> None:
    """The ledger skips whom it does not take."""
    inbox, ledger = crowded(), mock.Mock()
    relaying = Relay(ledger, inbox)
    for passes in range(1, CROWD // ENROLMENTS_AT_ONCE + 1):
        relaying.send(running(), 100)
        assert ledger.enrol.call_count == passes
    assert [len(call.args[0]) for call in ledger.enrol.call_args_list] == [ENROLMENTS_AT_ONCE] * 12
    assert inbox.waiting(TASK).enrolments == {}


FULL = dict.fromkeys(map(client, range(1_001, 2_001)), cast(Any, None))


@pytest.mark.parametrize(
    ("changes", "now", "deadline"),
    [({}, 101, 1_000), ({"enrolled": FULL}, 60, 1_000), ({"dismissed": frozenset({OWN})}, 60, 1_000), ({}, 60, 59)],
    ids=["the time of the task is over", "it is full", "it stopped", "the deadlines have passed"],
)
def test_a_crowd_that_comes_too_late_costs_no_call(changes: dict[str, Any], now: int, deadline: int) -> None:
    inbox, ledger = crowded(deadline), mock.Mock()
    Relay(ledger, inbox).send(running(**changes), now)
    assert ledger.mock_calls == [] and inbox.waiting(TASK).enrolments == {}


def test_a_crowd_that_the_ledger_refuses_costs_one_call_in_each_pass() -> None:
    inbox, ledger = crowded(), mock.Mock()
    ledger.enrol.side_effect = TransactionRevertedError("SignatureInvalid")
    relaying = Relay(ledger, inbox)
    for calls in range(1, 60):
        relaying.send(running(), 100)
        assert len(ledger.mock_calls) == calls
    assert len(inbox.waiting(TASK).enrolments) == CROWD - 57, "two companies of fifty, then one by one"


def test_a_claim_that_would_be_mined_under_the_next_allocation_waits_for_it() -> None:
    """It proves what the ledger pays from no more by then, and the whole company would fail."""
    ledger, inbox = PlayedLedger(allocation(2), payable_from=REPLACED_SECONDS + 100), Inbox(MemoryRecords())
    relaying = Relay(cast(Ledger, ledger), inbox)
    with mock.patch("backend.rounds.relay.payable_allocation", return_value=ledger.owed):
        inbox.claim(TASK, client(1))
        relaying.send(TaskState(TASK), 99)
        assert ledger.sent == [(client(1),)], "that is long before"
        inbox.claim(TASK, client(2))
        for now in range(100, ledger.payable_from):
            relaying.send(TaskState(TASK), now)
        assert ledger.sent == [(client(1),)] and ledger.looks == 2
        relaying.send(TaskState(TASK), ledger.payable_from)
    assert ledger.sent == [(client(1),), (client(2),)]


def test_vouchers_go_with_the_key_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, ledger, terms = Inbox(MemoryRecords()), mock.Mock(), KEYS[0].terms()
    shown = replace(enrolment(1), voucher=b"\1" * 256)
    inbox.enrol(shown)
    monkeypatch.setattr(TaskState, "spec", SimpleNamespace(vouchers=terms))
    Relay(ledger, inbox).send(running(), 0)
    ledger.enrol.assert_called_once_with([shown], voucher_key=terms.modulus)
