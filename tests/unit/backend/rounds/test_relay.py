"""What the edge server relays: many in one transaction, none for nothing, none kept out by another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest

from backend.rounds.inbox import Inbox
from backend.rounds.relay import CLAIMS_AT_ONCE, ENROLMENTS_AT_ONCE, Relay
from protocol.identifiers import Address
from protocol.incentives.rewards import ClaimBatch, claim_batch, claim_proof
from protocol.messages.settlement import Allocation, Entitlement, ProvenEntitlement
from protocol.messages.submission import Enrolment, Leave, SignedEnrolment, SignedLeave
from protocol.task.state import TaskState
from storage.ledger.interface import Ledger, LedgerError, TransactionRevertedError
from storage.records.memory import MemoryRecords

TASK = 3
OWN, SUBSTITUTE = b"\xf3" * 20, b"\xf4" * 20
AUTHORITIES = (b"\xf0" * 20, b"\xf1" * 20, b"\xf2" * 20)


def client(number: int) -> Address:
    return number.to_bytes(20, "big")


def allocation(count: int, fees: dict[Address, int] | None = None) -> Allocation:
    """``fees``: of holders that come after all clients."""
    clients = tuple(Entitlement(client(number), 10, 3) for number in range(1, count + 1))
    return Allocation(TASK, 1, (*clients, *(Entitlement(holder, fee, 0) for holder, fee in (fees or {}).items())))


def enrolment(number: int, deadline: int = 1_000) -> SignedEnrolment:
    who = client(number)
    return SignedEnrolment(Enrolment(TASK, bytes(32), who, who, bytes(32), 0, 0, deadline), bytes(65))


@dataclass
class PlayedLedger:
    """What is claimed, in which transactions; ``unpayable`` revert whatever they are in."""

    owed: Allocation
    paid: dict[Address, int] = field(default_factory=dict)
    freed: set[Address] = field(default_factory=set)
    unpayable: set[Address] = field(default_factory=set)
    sent: list[tuple[Address, ...]] = field(default_factory=list)
    sender: Address = OWN

    def task(self, _: int) -> Any:
        return SimpleNamespace(payable=lambda _: (bytes(32), 0))

    def claimed(self, _: int, who: Address) -> int:
        return self.paid.get(who, 0)

    def standing(self, who: Address) -> Any:
        return SimpleNamespace(task=0 if who in self.freed else TASK)

    def claim(self, task: int, proven: ProvenEntitlement) -> None:
        assert (task, proven) == (TASK, claim_proof(self.owed, proven.entitlement.client))
        self._pay([proven.entitlement])

    def claim_many(self, task: int, batch: ClaimBatch) -> None:
        assert (task, batch) == (TASK, claim_batch(self.owed, {entry.client for _, entry in batch.leaves}))
        self._pay([entry for _, entry in batch.leaves])

    def _pay(self, entries: list[Entitlement]) -> None:
        refused = sorted(entry.client for entry in entries if entry.client in self.unpayable)
        if refused:
            raise TransactionRevertedError("PaymentFailed", (refused[0], 10))
        self.sent.append(tuple(sorted(entry.client for entry in entries)))
        self.paid |= {entry.client: entry.cumulative for entry in entries}


def relay(
    ledger: PlayedLedger,
    clients: set[Address],
    passes: int = 9,
    state: TaskState = TaskState(TASK),  # noqa: B008
) -> list[tuple[Address, ...]]:
    """The claims of those that wait, as they were sent: one in each pass."""
    ledger.sent = []
    inbox = Inbox(MemoryRecords())
    for one in sorted(clients):
        inbox.claim(TASK, one)
    relaying = Relay(cast(Ledger, ledger), inbox)
    with mock.patch("backend.rounds.relay.payable_allocation", return_value=ledger.owed):
        for _ in range(passes):
            sent = len(ledger.sent)
            relaying.send(state, 0)
            assert len(ledger.sent) <= sent + 1
    assert inbox.waiting(TASK).claims == {}
    return ledger.sent


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


CROWD = 600


def running(**changes: Any) -> TaskState:
    """A task of 1,000 clients at most, which ends at 100."""
    terms = SimpleNamespace(
        rounds=9, min_clients=2, max_clients=1_000, threshold=1, edge_servers=(OWN,), authorities=AUTHORITIES
    )
    posted = cast(Any, SimpleNamespace(enrol_until=50, task_until=100, terms=terms))
    some = dict.fromkeys([client(901), client(902)], cast(Any, None))
    return replace(TaskState(TASK, posted=posted, enrolled=some), **changes)


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
