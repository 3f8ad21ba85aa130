"""Fees of a server and of the authorities: sent along with claims, and again until they are paid."""

from __future__ import annotations

from typing import cast
from unittest import mock

import pytest
import structlog

from backend.rounds.inbox import Inbox
from backend.rounds.relay import Relay
from protocol.messages.settlement import Entitlement
from storage.ledger.interface import Ledger, LedgerError, TransactionRevertedError
from storage.records.memory import MemoryRecords
from tests.unit.backend.rounds.scene_relay import (
    AUTHORITIES,
    CLAIM_UNTIL,
    OWN,
    SUBSTITUTE,
    TASK,
    PlayedLedger,
    allocation,
    client,
    relay,
    running,
)

FEES = {OWN: 70, SUBSTITUTE: 70, AUTHORITIES[0]: 30, AUTHORITIES[1]: 30}


def test_fees_of_this_server_and_of_the_authorities_go_along_with_claims() -> None:
    """Those of another server are its own affair."""
    ledger, state = PlayedLedger(allocation(4, FEES)), running()
    both = (client(1), client(2), *AUTHORITIES[:2], OWN)
    assert relay(ledger, {client(1), client(2)}, state=state) == [tuple(sorted(both))]
    assert relay(ledger, {client(3)}, state=state) == [(client(3),)], "they are paid"


def test_who_lost_its_role_gets_no_fee_and_what_is_paid_is_left_out() -> None:
    ledger, state = PlayedLedger(allocation(2, FEES)), running(dismissed=frozenset({AUTHORITIES[0]}))
    ledger.paid = {OWN: 70}
    assert relay(ledger, {client(1)}, state=state) == [(client(1), AUTHORITIES[1])]


def test_a_fee_that_cannot_be_paid_keeps_no_client_out() -> None:
    ledger, state = PlayedLedger(allocation(2, FEES), unpayable={AUTHORITIES[1]}), running()
    assert relay(ledger, {client(1), client(2)}, state=state) == [(client(1),), (client(2),)]


def test_a_server_asks_for_its_fees_when_no_phone_claims() -> None:
    ledger, state = PlayedLedger(allocation(2, FEES), freed={OWN}), running()
    assert relay(ledger, {OWN}, state=state) == [tuple(sorted((*AUTHORITIES[:2], OWN)))]
    assert relay(ledger, {OWN}, state=state) == []


def test_fees_that_a_refused_company_took_along_are_sent_all_the_same() -> None:
    """Every phone is paid alone then, and nobody but the server asks for the fees."""
    ledger, state = PlayedLedger(allocation(3, FEES), companies_fail=1, freed={OWN}), running()
    waiting = {client(1), client(2), client(3), OWN}
    earners = [*AUTHORITIES[:2], OWN]
    with structlog.testing.capture_logs() as log:
        sent = relay(ledger, waiting, passes=12, state=state)
    assert sent[:3] == [(client(1),), (client(2),), (client(3),)]
    assert sorted(sent[3:]) == sorted((one,) for one in earners), "each once"
    assert [entry["error"] for entry in log if entry["event"] == "refused"] == [
        f"E_REVERTED (fault: ours): ProofInvalid({TASK}, 0x{bytes(20).hex()})"
    ]


@pytest.mark.parametrize("trouble", [TransactionRevertedError("ProofInvalid"), LedgerError("away")])
def test_fees_are_tried_again_while_claims_are_taken_ever_more_seldom(trouble: Exception) -> None:
    inbox, ledger, tries = Inbox(MemoryRecords()), PlayedLedger(allocation(2, FEES)), list[int]()
    inbox.claim(TASK, OWN)
    relaying = Relay(cast(Ledger, ledger), inbox)

    def refuse(*_: object) -> None:
        tries.append(now)
        raise trouble

    with (
        mock.patch("backend.rounds.relay.payable_allocation", return_value=ledger.owed),
        mock.patch.object(ledger, "_pay", refuse),
    ):
        for now in range(CLAIM_UNTIL - 1_000):
            relaying.send(running(), now)
        assert 10 < len(tries) < 40 and tries[-1] - tries[-4] > 300
        assert ledger.looks < 2 * len(tries), "the chain is not asked between two tries"
    with mock.patch("backend.rounds.relay.payable_allocation", return_value=ledger.owed):
        for now in range(CLAIM_UNTIL - 1_000, CLAIM_UNTIL):
            relaying.send(running(), now)
    assert sorted(ledger.sent) == sorted((one,) for one in (*AUTHORITIES[:2], OWN))
    assert inbox.waiting(TASK).claims == {}


def test_when_claims_are_over_nothing_is_tried() -> None:
    inbox, ledger = Inbox(MemoryRecords()), mock.Mock(sender=OWN)
    for one in (client(1), OWN):
        inbox.claim(TASK, one)
    Relay(ledger, inbox).send(running(), CLAIM_UNTIL + 1)
    assert ledger.mock_calls == [] and inbox.waiting(TASK).claims == {}


def test_a_fee_that_the_ledger_passes_over_is_paid_for_once() -> None:
    """In company it is skipped without a word."""
    ledger = PlayedLedger(allocation(2, FEES))
    inbox = Inbox(MemoryRecords())
    inbox.claim(TASK, OWN)
    relaying, pay = Relay(cast(Ledger, ledger), inbox), ledger._pay

    def pass_over(entries: list[Entitlement]) -> None:
        held = [entry for entry in entries if entry.client != AUTHORITIES[0]]
        if not held:
            raise TransactionRevertedError("NothingToPay", (TASK, AUTHORITIES[0]))
        pay(held)

    with (
        mock.patch("backend.rounds.relay.payable_allocation", return_value=ledger.owed),
        mock.patch.object(ledger, "_pay", pass_over),
    ):
        for now in range(1_000):
            relaying.send(running(), now)
    assert ledger.sent == [tuple(sorted((AUTHORITIES[1], OWN)))]
