"""Sends what phones asked for: enrolments, leaves, claims. A worker of its own, so that it never delays a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from backend.rounds.inbox import Inbox
from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from protocol.incentives.rewards import allocation_root, claim_batch, claim_proof
from protocol.messages.settlement import Allocation
from protocol.messages.submission import SignedEnrolment
from protocol.task.past import standing_allocation
from protocol.task.state import TaskState
from storage.ledger.interface import Ledger, TransactionRevertedError

ENROLMENTS_AT_ONCE = 50
CLAIMS_AT_ONCE = 100

log = structlog.get_logger()


@dataclass
class Relay:
    """Of one server. What is sent, or refused for good, leaves the inbox; what fails otherwise waits."""

    ledger: Ledger
    inbox: Inbox

    def send(self, state: TaskState, now: int) -> None:
        """Everything of one task that waits and can be sent at ``now``, in seconds of block time."""
        for send in (self._enrol, self._leave, self._claim):
            try:
                send(state, now)
            except HearthError as error:
                log.warning("not relayed yet", task=state.task, error=str(error))

    def _enrol(self, state: TaskState, _: int) -> None:
        waiting = self.inbox.waiting(state.task).enrolments
        enrolments = [signed for client, signed in sorted(waiting.items()) if client not in state.enrolled]
        for start in range(0, len(enrolments), ENROLMENTS_AT_ONCE):
            self._enrol_all(enrolments[start : start + ENROLMENTS_AT_ONCE])
        self.inbox.done(state.task, enrolments=waiting)

    def _enrol_all(self, enrolments: list[SignedEnrolment]) -> None:
        try:
            self.ledger.enrol(enrolments)
        except TransactionRevertedError as error:
            if len(enrolments) == 1:
                log.warning("enrolment refused", client=to_hex(enrolments[0].enrolment.client), error=str(error))
                return
            for signed in enrolments:  # one bad entry must not keep the others out
                self._enrol_all([signed])

    def _leave(self, state: TaskState, _: int) -> None:
        for client, signed in self.inbox.waiting(state.task).leaves.items():
            if client not in state.left:
                try:
                    self.ledger.leave(signed)
                except TransactionRevertedError as error:
                    log.warning("leave refused", client=to_hex(client), error=str(error))
            self.inbox.done(state.task, leaves=[client])

    def _claim(self, state: TaskState, now: int) -> None:
        """Those who are owed money, or their reputation; each can still claim by itself.

        Those without money due go alone: whether their leaf is the last one is for the ledger to say, which refuses
        before anything is sent, while in a batch it would skip them and charge for it.
        """
        clients = self.inbox.waiting(state.task).claims
        allocation = payable_allocation(state, self.ledger.task(state.task).payable(now)[0]) if clients else None
        if allocation is None:
            return
        paid = list[Address]()
        for entry in allocation.entitlements:
            if entry.client not in clients:
                continue
            if entry.cumulative > self.ledger.claimed(state.task, entry.client):
                paid.append(entry.client)
            elif self.ledger.standing(entry.client).task == state.task:
                self._send_claims(state.task, allocation, [entry.client])
        for start in range(0, len(paid), CLAIMS_AT_ONCE):
            self._send_claims(state.task, allocation, paid[start : start + CLAIMS_AT_ONCE])
        self.inbox.done(state.task, claims=clients)

    def _send_claims(self, task: int, allocation: Allocation, clients: Sequence[Address]) -> None:
        try:
            if len(clients) == 1:
                self.ledger.claim(task, claim_proof(allocation, clients[0]))
            else:
                self.ledger.claim_many(task, claim_batch(allocation, clients))
        except TransactionRevertedError as error:
            if len(clients) == 1:
                log.warning("claim refused", client=to_hex(clients[0]), error=str(error))
                return
            for client in clients:  # one that cannot be paid must not keep the others out
                self._send_claims(task, allocation, [client])


def payable_allocation(state: TaskState, root: bytes) -> Allocation | None:
    """The allocation that claims are paid from; None when there is none, or it cannot be read."""
    for facts in reversed(state.rounds):
        allocation = standing_allocation(state, facts.number) if facts.settled is not None else None
        if isinstance(allocation, Allocation) and allocation_root(allocation) == root:
            return allocation
    return None
