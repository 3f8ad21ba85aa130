"""A ledger that pays claims, and a task for whose clients a server relays them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from backend.rounds.inbox import Inbox
from backend.rounds.relay import Relay
from protocol.identifiers import Address
from protocol.incentives.rewards import ClaimBatch, claim_batch, claim_proof
from protocol.messages.settlement import Allocation, Entitlement, ProvenEntitlement
from protocol.messages.submission import Enrolment, SignedEnrolment
from protocol.task.state import TaskState
from storage.ledger.interface import Ledger, TransactionRevertedError
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
    payable_from: int = 0
    looks: int = 0
    companies_fail: int = 0  # so many, whoever is in them

    def task(self, _: int) -> Any:
        self.looks += 1
        return SimpleNamespace(pending_round=1, payable_from=self.payable_from, payable=lambda _: (bytes(32), 0))

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
        if len(entries) > 1 and self.companies_fail:
            self.companies_fail -= 1
            raise TransactionRevertedError("ProofInvalid", (TASK, bytes(20)))
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
        for number in range(passes):
            sent = len(ledger.sent)
            relaying.send(state, 10 * number)
            assert len(ledger.sent) <= sent + 1
    assert inbox.waiting(TASK).claims == {}
    return ledger.sent


CLAIM_UNTIL = 5_000


def running(**changes: Any) -> TaskState:
    """A task of 1,000 clients at most, which ends at 100."""
    terms = SimpleNamespace(
        rounds=9, min_clients=2, max_clients=1_000, threshold=1, edge_servers=(OWN,), authorities=AUTHORITIES
    )
    posted = cast(Any, SimpleNamespace(enrol_until=50, task_until=100, claim_until=CLAIM_UNTIL, terms=terms))
    some = dict.fromkeys([client(901), client(902)], cast(Any, None))
    return replace(TaskState(TASK, posted=posted, enrolled=some), **changes)
