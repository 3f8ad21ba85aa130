"""Sends what phones asked for: enrolments, leaves, claims. A worker of its own, and slow, so that it delays no round.

Fees of this server and of the authorities go along with claims: each is one leaf more under the same proof. From the
claim of this server's own on they are sent until they are paid, or claims end.

A relayed transaction takes a nonce of the account that sends batches as well, and its estimate the node's time. So each
pass sends at most one of a kind, and what comes too late is dropped without a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from backend.rounds.fees import Fees
from backend.rounds.inbox import Inbox
from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from protocol.incentives.rewards import allocation_root, claim_batch, claim_proof
from protocol.messages.settlement import Allocation
from protocol.messages.submission import Enrolment, SignedEnrolment
from protocol.task.documents import Absent
from protocol.task.ending import is_over
from protocol.task.past import standing_allocation
from protocol.task.state import TaskState
from storage.ledger.interface import Ledger, TransactionReceipt, TransactionRevertedError

ENROLMENTS_AT_ONCE = 50
CLAIMS_AT_ONCE = 100
REPLACED_SECONDS = 30  # before another allocation replaces the payable one: a claim may be mined after that, and fail

log = structlog.get_logger()


@dataclass
class Relay:
    """Of one server. What is sent, or refused for good, leaves the inbox; what fails otherwise waits. A phone that was
    refused may ask again; for fees nobody else asks, so each is tried again."""

    ledger: Ledger
    inbox: Inbox
    _alone: set[tuple[int, Address]] = field(default_factory=set)  # task and client, who goes in nobody's company
    _fees: Fees = field(default_factory=Fees)
    _not_payable: dict[int, int] = field(default_factory=dict)  # by task, until when: seconds of block time

    def send(self, state: TaskState, now: int) -> None:
        """At most one transaction of each kind, of what waits in one task at ``now``, in seconds of block time."""
        for send in (self._enrol, self._leave, self._claim):
            try:
                send(state, now)
            except HearthError as error:
                log.warning("not relayed yet", task=state.task, error=str(error))

    def _enrol(self, state: TaskState, now: int) -> None:
        """While the task runs. Of several the ledger skips whom it does not take; whoever it skips may ask again."""
        waiting = self.inbox.waiting(state.task).enrolments
        late = [client for client, signed in waiting.items() if _is_late(state, signed.enrolment, now)]
        self.inbox.done(state.task, enrolments=late)
        clients = self._next(state.task, [client for client in waiting if client not in late], ENROLMENTS_AT_ONCE)
        if self._sent(
            state.task, clients, lambda: self._send_enrolments(state, [waiting[one] for one in sorted(clients)])
        ):
            self.inbox.done(state.task, enrolments=clients)

    def _send_enrolments(self, state: TaskState, enrolments: Sequence[SignedEnrolment]) -> TransactionReceipt:
        """Where there are vouchers they were checked against the spec, so that is there."""
        if not any(one.voucher for one in enrolments) or isinstance(state.spec, Absent):
            return self.ledger.enrol(enrolments)
        return self.ledger.enrol(enrolments, voucher_key=state.spec.vouchers.modulus)

    def _leave(self, state: TaskState, _: int) -> None:
        waiting = self.inbox.waiting(state.task).leaves
        self.inbox.done(state.task, leaves=[client for client in waiting if client in state.left])
        clients = [client for client in waiting if client not in state.left][:1]
        if self._sent(state.task, clients, lambda: self.ledger.leave(waiting[clients[0]])):
            self.inbox.done(state.task, leaves=clients)

    def _claim(self, state: TaskState, now: int) -> None:
        """Those who are owed money, or their reputation; each can still claim by itself.

        Those without money due go alone: whether their leaf is the last one is for the ledger to say, which refuses
        before anything is sent, while in a batch it would skip them and charge for it.
        """
        task, own = state.task, self.ledger.sender
        waiting = list(self.inbox.waiting(task).claims)
        if state.posted is not None and now > state.posted.claim_until:
            self.inbox.done(task, claims=waiting)
            return
        clients = self._next(task, [client for client in waiting if client != own], CLAIMS_AT_ONCE)
        fees_wait = own in waiting and not self._fees.rest(task, now)
        allocation = self._payable(state, now) if clients or fees_wait else None
        if allocation is None:
            return
        owed = {entry.client: entry.cumulative for entry in allocation.entitlements if entry.client in clients}
        paid = [client for client in owed if owed[client] > self.ledger.claimed(task, client)]
        unpaid = [client for client in owed if client not in paid and self.ledger.standing(client).task == task]
        self.inbox.done(task, claims=[client for client in clients if client not in (*paid, *unpaid)])
        if len(clients) > 1:
            self._alone.update((task, client) for client in unpaid)
        sending = paid if len(clients) > 1 else [*paid, *unpaid]
        fees = list[Address]()
        if not clients or (paid and (task, clients[0]) not in self._alone):
            earned = self._earned(state, allocation)
            fees = [holder for holder in self._fees.due(task, earned, bool(clients), now) if holder not in sending]
            self._fees.tried(task, earned, fees, now)
            if not earned:
                self.inbox.done(task, claims=[own])
        everybody = [*sending, *fees]
        if self._sent(task, everybody, lambda: self._send_claims(task, allocation, everybody)):
            self.inbox.done(task, claims=sending)
        self._alone.difference_update((task, holder) for holder in fees)

    def _payable(self, state: TaskState, now: int) -> Allocation | None:
        """What a claim of this moment is paid from when it is mined; None while that is not known."""
        if now < self._not_payable.get(state.task, 0):
            return None
        view, allocation = self.ledger.task(state.task), None
        replaced = view.pending_round > 0 and now < view.payable_from <= now + REPLACED_SECONDS
        if not replaced:
            allocation = payable_allocation(state, view.payable(now)[0])
        if allocation is None:
            self._not_payable[state.task] = view.payable_from if replaced else now + 1
        return allocation

    def _earned(self, state: TaskState, allocation: Allocation) -> dict[Address, int]:
        """What this server and the authorities are owed in all, as far as it is not paid yet; the ledger pays none
        without its role."""
        if state.posted is None:
            return {}
        serving = {self.ledger.sender, *state.posted.terms.authorities} - state.dismissed
        owed = {entry.client: entry.cumulative for entry in allocation.entitlements if entry.client in serving}
        return {holder: owed[holder] for holder in owed if owed[holder] > self.ledger.claimed(state.task, holder)}

    def _send_claims(self, task: int, allocation: Allocation, clients: Sequence[Address]) -> None:
        if len(clients) == 1:
            self.ledger.claim(task, claim_proof(allocation, clients[0]))
        else:
            self.ledger.claim_many(task, claim_batch(allocation, clients))

    def _next(self, task: int, waiting: Sequence[Address], most: int) -> list[Address]:
        """Who goes in the next transaction: whoever came first decides whether in company."""
        if waiting and (task, waiting[0]) in self._alone:
            return [waiting[0]]
        return [client for client in waiting if (task, client) not in self._alone][:most]

    def _sent(self, task: int, clients: Sequence[Address], send: Callable[[], object]) -> bool:
        """Whether these clients wait no longer. In a refused company one may keep the others out: each goes alone."""
        if not clients:
            return False
        try:
            send()
        except TransactionRevertedError as error:
            log.warning("refused", task=task, clients=[to_hex(client) for client in clients], error=str(error))
            if len(clients) > 1:
                self._alone.update((task, client) for client in clients)
                return False
        self._alone.difference_update((task, client) for client in clients)
        return True


def _is_late(state: TaskState, enrolment: Enrolment, now: int) -> bool:
    """It would cost a transaction for nothing."""
    full = state.posted is not None and len(state.enrolled) >= state.posted.terms.max_clients
    return full or is_over(state, now) or now > enrolment.deadline or enrolment.client in state.enrolled


def payable_allocation(state: TaskState, root: bytes) -> Allocation | None:
    """The allocation that claims are paid from; None when there is none, or it cannot be read."""
    for facts in reversed(state.rounds):
        allocation = standing_allocation(state, facts.number) if facts.settled is not None else None
        if isinstance(allocation, Allocation) and allocation_root(allocation) == root:
            return allocation
    return None
