"""What chain and content tell of one task: immutable, made by :mod:`protocol.task.fold`, the same for every party.

A document that is missing, corrupt or malformed is a value here, with who was to keep it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.messages.chain import (
    Claimed,
    CohortDrawn,
    Compensated,
    Enrolled,
    EnrolmentFull,
    Event,
    RoundPublished,
    TakenOver,
    TaskPosted,
)
from protocol.messages.keys import KeyRequest
from protocol.messages.rosters import RosterPosted, held_by, refused_by
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.settlement import Allocation, RoundRecord, Verdict, max_allocation_bytes
from protocol.messages.submission import CommitmentBatch, SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.round.commitments import committed_set
from protocol.round.windows import window_of
from protocol.task.documents import MAX_BYTES, Absent, Document, Kind, Lack, Present, Rederived, Wanted
from protocol.task.round_facts import RoundFacts, Settled

T = TypeVar("T")
Documents = Mapping[tuple[Kind, Digest], Document | Absent]


@dataclass(frozen=True, slots=True)
class TaskState:
    """``rounds``: number r at place r - 1. ``misfits``: events that no honest contract would have sent here.

    A state of ``only`` one client is made of the events that concern it (``protocol.messages.following``): who else
    enrolled, left, committed directly or was paid is not in it, and no rosters are. What needs everybody refuses it.
    """

    task: int
    only: Address | None = None
    posted: TaskPosted | None = None
    enrolled: Mapping[Address, Enrolled] = field(default_factory=dict)
    counted: int | None = None  # clients that had enrolled, by the ledger's view, where only one is followed
    full: EnrolmentFull | None = None
    left: Mapping[Address, int] = field(default_factory=dict)  # client -> rounds that were opened before it left
    drawn: CohortDrawn | None = None  # for the next round
    lapsed: int = 0  # draws that no round was opened with: each took one round off the task
    rounds: tuple[RoundFacts, ...] = ()
    acting: Address | None = None  # the edge server that acts
    taken_over: TakenOver | None = None  # the last time that one took over
    dismissed: frozenset[Address] = frozenset()  # a breach, or a round left alone, ended their role
    rosters: Mapping[int, Mapping[Address, RosterPosted]] = field(default_factory=dict)  # by window and authority
    claims: Mapping[Address, Claimed] = field(default_factory=dict)  # the last of each client
    compensated: Mapping[tuple[int, Address], Compensated] = field(default_factory=dict)  # by round and client
    refunded: int = 0
    credits: Mapping[Address, int] = field(default_factory=dict)  # what could not be paid, by whom it is owed to
    misfits: tuple[Event, ...] = ()
    times: Mapping[int, int] = field(default_factory=dict)  # seconds, by block
    documents: Documents = field(default_factory=dict)
    rederived: Mapping[int, Rederived] = field(default_factory=dict)  # by round

    # documents

    @property
    def spec(self) -> TaskSpec | Absent:
        if self.posted is None:
            return Absent(ZERO_DIGEST, Lack.AWAITED, bytes(20))
        return self._known(Kind.SPEC, TaskSpec, self.posted.terms.spec, self.posted.manufacturer)

    def plan(self, number: int) -> RoundPlan | Absent:
        facts = self.rounds[number - 1]
        return self._known(Kind.PLAN, RoundPlan, facts.opened.plan, facts.server)

    def batch(self, number: int) -> CommitmentBatch | Absent:
        """Empty while there is none."""
        facts = self.rounds[number - 1]
        if facts.batched is None:
            return CommitmentBatch(())
        return self._known(Kind.BATCH, CommitmentBatch, facts.batched.batch, facts.server)

    def request(self, number: int) -> KeyRequest | Absent:
        """Of a round whose key was requested."""
        facts = self.rounds[number - 1]
        digest = facts.requested.request if facts.requested else ZERO_DIGEST
        return self._known(Kind.REQUEST, KeyRequest, digest, facts.requested_by or facts.server)

    def record(self, number: int) -> RoundRecord | Absent:
        """Of a round that was published or abandoned."""
        ended, keeper = self._end(number)
        return self._known(Kind.RECORD, RoundRecord, ended.record if ended else ZERO_DIGEST, keeper)

    def verdict(self, number: int) -> Verdict | Absent:
        """Of a round that was published or abandoned."""
        record = self.record(number)
        return self._derived(number).verdict or record if isinstance(record, Absent) else record.verdict

    def allocation(self, number: int) -> Allocation | Absent:
        """Of a round that was published or abandoned; whether its root is the one on chain is checked elsewhere."""
        record, (_, keeper) = self.record(number), self._end(number)
        found: Allocation | Absent = (
            record
            if isinstance(record, Absent)
            else self._known(Kind.ALLOCATION, Allocation, record.allocation, keeper)
        )
        return self._derived(number).allocation or found if isinstance(found, Absent) else found

    def aggregate(self, number: int) -> Present | Absent:
        """Sums of a published round."""
        record, (_, keeper) = self.record(number), self._end(number)
        digest = self._derived(number).aggregate or record if isinstance(record, Absent) else record.aggregate
        return digest if isinstance(digest, Absent) else self._known(Kind.AGGREGATE, Present, digest, keeper)

    def model(self, number: int) -> Present | Absent:
        """Parameters after a published round."""
        ended, keeper = self._end(number)
        digest = ended.model if isinstance(ended, RoundPublished) else ZERO_DIGEST
        return self._known(Kind.MODEL, Present, digest, keeper)

    def committed(self, number: int) -> dict[Address, SignedCommitment] | Absent:
        """The planned clients' commitments, ascending; Absent while plan or batch cannot be read.

        A batch that nobody can read matters only if it may hold a commitment that did not come directly as well.
        """
        self._require_everybody()
        plan, batch, directs = self.plan(number), self.batch(number), self.rounds[number - 1].direct_commitments()
        if isinstance(plan, Absent):
            return plan
        planned = {entry.client for entry in plan.weights}
        if isinstance(batch, Absent):
            if planned - directs.keys():
                return batch
            batch = CommitmentBatch(())
        committed = committed_set(batch, directs.values())
        return {client: signed for client, signed in committed.items() if client in planned}

    def wanted(self, first: int = 1) -> Iterator[Wanted]:
        """The spec and all documents of round ``first`` and later ones that are named so far, there or not."""
        if self.posted is None:
            return
        yield _wanted(Kind.SPEC, self.posted.terms.spec, self.posted.manufacturer)
        for number in range(first, len(self.rounds) + 1):
            yield from self.wanted_of(number)

    def wanted_of(self, number: int) -> Iterator[Wanted]:
        """The documents of one round that are named so far."""
        facts, spec = self.rounds[number - 1], self.spec
        yield Wanted(Kind.PLAN, facts.opened.plan, MAX_PLAN_BYTES, facts.server, label=facts.opened.label)
        if facts.batched is not None:
            yield _wanted(Kind.BATCH, facts.batched.batch, facts.server)
        if facts.requested is not None:
            yield _wanted(Kind.REQUEST, facts.requested.request, facts.requested_by or facts.server)
        ended, keeper = self._end(facts.number)
        record = self.record(facts.number)
        if ended is not None:
            yield _wanted(Kind.RECORD, ended.record, keeper)
        if isinstance(record, RoundRecord):
            most = max_allocation_bytes(self.posted.terms.max_clients) if self.posted else 0
            yield Wanted(Kind.ALLOCATION, record.allocation, most, keeper)
        plan = self.plan(facts.number)
        if isinstance(spec, Absent) or isinstance(plan, Absent):
            return
        layout = Layout.published(spec)
        if isinstance(ended, RoundPublished):
            digest = record.aggregate if isinstance(record, RoundRecord) else self._derived(facts.number).aggregate
            if digest not in (None, ZERO_DIGEST):
                yield Wanted(Kind.AGGREGATE, digest, 8 * plan.dimension, keeper, plan.dimension)
            yield Wanted(Kind.MODEL, ended.model, layout.max_bytes, keeper, layout=layout)

    def _end(self, number: int) -> tuple[Settled | None, Address]:
        """How the round was settled, whatever came later, and by whom."""
        facts = self.rounds[number - 1]
        ended = facts.ended if isinstance(facts.ended, Settled) else None
        return ended, facts.ended_by or facts.server

    def _derived(self, number: int) -> Rederived:
        return self.rederived.get(number, Rederived(number))

    def _known(self, kind: Kind, message: type[T], digest: Digest, keeper: Address) -> T | Absent:
        found = self.documents.get((kind, digest))
        if isinstance(found, message | Absent):
            return found
        return Absent(digest, Lack.AWAITED, keeper)

    # where the task stands

    @property
    def enrol_until(self) -> int:
        """Nobody is waited for any more after this instant; enrolment itself stays open while the task runs."""
        if self.posted is None:
            return 0
        return self.posted.enrol_until if self.full is None else self.full.enrol_until

    @property
    def total_rounds(self) -> int:
        return 0 if self.posted is None else self.posted.terms.rounds - self.lapsed

    @property
    def stopped(self) -> bool:
        """Too few servers or authorities have their role still: no round opens any more."""
        if self.posted is None:
            return False
        terms = self.posted.terms
        authorities = [member for member in terms.authorities if member not in self.dismissed]
        return len(authorities) < terms.threshold or self.dismissed.issuperset(terms.edge_servers)

    def signer_of(self, client: Address) -> Address:
        """The key that signs for ``client``, as it named it when it enrolled; its own one for anybody else."""
        enrolled = self.enrolled.get(client)
        return client if enrolled is None else enrolled.signer

    def named(self, number: int) -> tuple[Address, ...]:
        """Whose keys a threshold of authorities hold for round ``number``, in order of enrolment, with those who left.

        Rosters are closed before a round is opened: so whoever comes or goes at that moment changes nothing here.
        """
        enrolled, held = self._in_order(), Counter[Address]()
        for roster in self._rosters(number):
            held.update(held_by(roster, enrolled))
        least = self.posted.terms.threshold if self.posted else 0
        return tuple(event.client for event in enrolled if held[event.client] >= least)

    def refused(self, number: int) -> frozenset[Address]:
        """Whose envelope some authority refuses in its roster for round ``number``."""
        enrolled = self._in_order()
        return frozenset[Address]().union(*(refused_by(roster, enrolled) for roster in self._rosters(number)))

    def enrolled_before(self, number: int) -> dict[Address, Enrolled]:
        """Who enrolled before round ``number`` was opened, by client, in that order; those who left included.

        For a round that is not opened yet everybody.
        """
        self._require_everybody()
        facts = self.round(number)
        place = None if facts is None else (facts.opened.block, facts.opened.log_index)
        return {
            client: event
            for client, event in self.enrolled.items()
            if place is None or (event.block, event.log_index) < place
        }

    @property
    def lacks_clients(self) -> bool:
        """Fewer have enrolled than a round needs, as far as is known."""
        if self.posted is None:
            return False
        least = self.posted.terms.min_clients
        if self.only is None:
            return len(self.enrolled) < least
        return self.counted is not None and self.counted < least and not self.rounds

    def _rosters(self, number: int) -> tuple[RosterPosted, ...]:
        """For the window of round ``number``."""
        window = window_of(number, self.posted.terms.roster_rounds) if self.posted else 0
        return tuple(self.rosters.get(window, {}).values())

    def _in_order(self) -> tuple[Enrolled, ...]:
        """Of their enrolment, which is what rosters count by."""
        self._require_everybody()
        return tuple(self.enrolled.values())

    def _require_everybody(self) -> None:
        assert self.only is None, "a state of one client does not know the others"

    @property
    def current(self) -> RoundFacts | None:
        """The round that runs."""
        return self.rounds[-1] if self.rounds and self.rounds[-1].running else None

    def round(self, number: int) -> RoundFacts | None:
        return self.rounds[number - 1] if 0 < number <= len(self.rounds) else None

    def last_settled(self) -> RoundFacts | None:
        """The last round whose allocation stands."""
        return next((facts for facts in reversed(self.rounds) if facts.settled), None)

    def payable_from(self) -> int | None:
        """When the last allocation can be claimed, and another round settled; 0 when nothing has to be waited for.

        None while the time of its block is not known.
        """
        facts = self.last_settled()
        if facts is None or facts.settled is None or self.posted is None or not self.posted.terms.dispute_seconds:
            return 0
        time = self.times.get(facts.settled.block)
        return None if time is None else time + self.posted.terms.dispute_seconds


def _wanted(kind: Kind, digest: Digest, keeper: Address) -> Wanted:
    return Wanted(kind, digest, MAX_BYTES[kind], keeper)
