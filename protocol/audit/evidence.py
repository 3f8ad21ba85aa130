"""What an auditor is given of the chain: events and views as one RPC endpoint told them. None of it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Address, Digest
from protocol.messages.chain import (
    BondView,
    Claimed,
    Enrolled,
    EnrolmentView,
    Event,
    ReputationRules,
    RoundView,
    Standing,
    TaskView,
)
from protocol.task.documents import Lack
from protocol.task.fold import apply
from protocol.task.state import TaskState

# fetch(digest, max_bytes, chunk_bytes) -> bytes that the digest names, or why there are none
Fetch = Callable[[Digest, int, int], bytes | Lack]


class MissingEvidenceError(HearthError):
    """A check cannot be evaluated: its line is UNKNOWN."""

    code = "E_MISSING_EVIDENCE"


@dataclass(frozen=True, slots=True)
class ChainEvidence:
    """One task's events and views. ``events`` are those of the whole ledger, in order."""

    domain: Domain
    task: int
    codes: Mapping[str, bytes]  # deployed, by the contract's name
    balance: int  # of the ledger, in this task's token
    task_count: int
    held: Mapping[int, int]  # escrow and deposits of every posted task of the ledger in the same token
    events: tuple[Event, ...]
    times: Mapping[int, int]  # seconds, by block, for every block with an event
    task_view: TaskView
    rounds: Mapping[int, RoundView]
    enrolments: Mapping[Address, EnrolmentView]
    directs: Mapping[int, frozenset[Address]]  # clients that committed directly, by round
    standings: Mapping[Address, Standing]
    bonds: Mapping[Address, BondView]  # of every edge server and authority that the terms list
    rules: ReputationRules

    def time(self, event: Event) -> int:
        return self.times[event.block]


class Replay:
    """The events one after the other. ``state`` and standings are those right before the event at hand.

    After the last event they are those that the views must show. Documents play no part.
    """

    def __init__(self, evidence: ChainEvidence) -> None:
        self.state = TaskState(evidence.task, times=evidence.times)
        self._evidence = evidence
        self._standings: dict[Address, Standing] = {}

    def __iter__(self) -> Iterator[Event]:
        """All events of the ledger."""
        for event in self._evidence.events:
            yield event
            self.state = apply(self.state, event)
            self._stand(event)

    def own(self) -> Iterator[Event]:
        """The task's events."""
        return (event for event in self if getattr(event, "task", None) == self.state.task)

    def standing(self, client: Address) -> Standing:
        """What the ledger knows of an address from all tasks."""
        return self._standings.get(client, Standing(0, False, 0, 0))

    def _stand(self, event: Event) -> None:
        if not isinstance(event, Enrolled | Claimed):
            return
        standing = self.standing(event.client)
        if isinstance(event, Enrolled):
            self._standings[event.client] = replace(standing, task=event.task)
        elif event.task == standing.task:
            task = 0 if event.freed else event.task
            self._standings[event.client] = Standing(event.reputation, True, self._evidence.time(event), task)
