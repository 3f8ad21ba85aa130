"""What an auditor is given of the chain: events and views as one RPC endpoint told them. None of it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Address, Digest
from protocol.incentives.standing import NO_STANDING, Counted, admitted, counted, settled
from protocol.messages.chain import (
    BondView,
    Claimed,
    Enrolled,
    EnrolmentView,
    Event,
    LedgerRules,
    RoundView,
    Standing,
    TaskPosted,
    TaskView,
)
from protocol.task.documents import Lack
from protocol.task.fold import apply_all
from protocol.task.state import TaskState

# fetch(digest, max_bytes, chunk_bytes) -> bytes that the digest names, or why there are none
Fetch = Callable[[Digest, int, int], bytes | Lack]


class MissingEvidenceError(HearthError):
    """A check cannot be evaluated: its line is UNKNOWN."""

    code = "E_MISSING_EVIDENCE"


class UnverifiedEndpointError(HearthError):
    """Nothing but the endpoint's own word stands for what it says of the chain: the verdict says so."""

    code = "E_UNVERIFIED_ENDPOINT"


@dataclass(frozen=True, slots=True)
class ChainEvidence:
    """One task's events and views. ``events`` are those of the whole ledger, in order, ``said`` their digests."""

    domain: Domain
    task: int
    codes: Mapping[str, bytes]  # deployed, by the contract's name
    balance: int  # of the ledger, in this task's token
    task_count: int
    held: Mapping[int, int]  # escrow and deposits of every posted task of the ledger in the same token
    events: tuple[Event, ...]
    said: tuple[Digest, ...]  # of each event: Keccak-256 of its topics and of the Keccak-256 of its data
    times: Mapping[int, int]  # seconds, by block, for every block with an event, and what draws a round's sketch
    words: Mapping[int, Digest]  # of every posted task of the ledger
    task_view: TaskView
    rounds: Mapping[int, RoundView]
    enrolments: Mapping[Address, EnrolmentView]  # of everybody that enrolled or was paid a leaf
    contracts: frozenset[Address]  # of the clients that enrolled without a signature of their own, those with code
    directs: Mapping[int, frozenset[Address]]  # clients that committed directly, by round
    standings: Mapping[Address, Standing]
    bonds: Mapping[Address, BondView]  # of every edge server and authority that the terms list
    credits: Mapping[Address, int]  # of everybody that the task could not pay at some time
    rules: LedgerRules
    beacons: Mapping[int, Digest] = field(default_factory=dict)  # hashes of the blocks that draw rounds' sketches

    def time(self, event: Event) -> int:
        return self.times[event.block]


class Replay:
    """The events one after the other. ``state`` and standings are those right before the event at hand.

    After the last event they are those that the views must show. Documents play no part.
    """

    def __init__(self, evidence: ChainEvidence) -> None:
        self._state, self._later = TaskState(evidence.task, times=evidence.times), list[Event]()
        self._evidence = evidence
        self._standings: dict[Address, Standing] = {}
        self._posted: dict[int, TaskPosted] = {}

    @property
    def state(self) -> TaskState:
        if self._later:
            self._state, self._later = apply_all(self._state, self._later), []
        return self._state

    def __iter__(self) -> Iterator[Event]:
        """All events of the ledger."""
        for event in self._evidence.events:
            yield event
            self._later.append(event)  # folded when somebody looks: many events matter to few checks
            self._stand(event)

    def own(self) -> Iterator[Event]:
        """The task's events."""
        return (event for event in self if getattr(event, "task", None) == self.state.task)

    def standing(self, client: Address) -> Standing:
        """What the ledger knows of an address from all tasks."""
        return self._standings.get(client, NO_STANDING)

    def admission(self, enrolled: Enrolled, initial: int) -> tuple[bool, int]:
        """Whether the task counts the client's standing, and the reputation with which the client enters."""
        worth = self.worth(enrolled.client, enrolled.task, enrolled)
        return worth.counts, admitted(worth, initial, self._evidence.rules)

    def worth(self, client: Address, task: int, event: Event) -> Counted:
        """What that counts in a task at the time of the event."""
        evidence, standing = self._evidence, self.standing(client)
        sources = self._posted[task].terms.reputation_sources if task in self._posted else ()
        giver = self._posted.get(standing.source)
        listed = not sources or standing.source == task or (giver is not None and giver.manufacturer in sources)
        return counted(standing, listed, evidence.rules, evidence.time(event))

    def _stand(self, event: Event) -> None:
        if isinstance(event, TaskPosted):
            self._posted[event.task] = event
        if not isinstance(event, Enrolled | Claimed):
            return
        standing = self.standing(event.client)
        if isinstance(event, Enrolled):
            self._standings[event.client] = replace(standing, task=event.task)
        elif event.task == standing.task:
            worth, time = self.worth(event.client, event.task, event), self._evidence.time(event)
            after = settled(standing, worth, event.reputation, event.task, self._evidence.rules, time)
            self._standings[event.client] = replace(after, task=0 if event.freed else event.task)
