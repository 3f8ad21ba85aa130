"""What chain and content say of one task, and which of its documents are named and there.

A document that is missing, corrupt or malformed is a value here, with who was to keep it.
"""

from __future__ import annotations

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
    RoundAbandoned,
    RoundPublished,
    TakenOver,
    TaskPosted,
)
from protocol.messages.keys import KeyRequest
from protocol.messages.rosters import RosterPosted
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.screening import GramRequest, Screening, ScreeningVerdict
from protocol.messages.settlement import Allocation, RoundRecord, Verdict, max_allocation_bytes
from protocol.messages.submission import CommitmentBatch, SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.round.commitments import committed_set
from protocol.task.documents import MAX_BYTES, Absent, Document, Kind, Lack, Present, Rederived, Wanted
from protocol.task.round_facts import RoundFacts, Settled

T = TypeVar("T")
Documents = Mapping[tuple[Kind, Digest], Document | Absent]


@dataclass(frozen=True, slots=True)
class Told:
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
    screened: Mapping[int, ScreeningVerdict | None] = field(default_factory=dict)  # by round, as far as it was derived

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

    def gram_request(self, number: int) -> GramRequest | Absent:
        """Of a round whose openings were requested."""
        facts = self.rounds[number - 1]
        digest = facts.screening.request if facts.screening else ZERO_DIGEST
        return self._known(Kind.GRAM, GramRequest, digest, facts.screening_by or facts.server)

    def screening(self, number: int) -> Screening | Absent | None:
        """What was published of a round's openings; None where nothing was. Absent too while nobody knows whether
        anything was."""
        digest, keeper = self._screening(number)
        if digest is None or isinstance(digest, Absent):
            return digest
        return self._known(Kind.SCREENING, Screening, digest, keeper)

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
        if facts.screening is not None:
            yield _wanted(Kind.GRAM, facts.screening.request, facts.screening_by or facts.server)
        ended, keeper = self._end(facts.number)
        record = self.record(facts.number)
        if ended is not None:
            yield _wanted(Kind.RECORD, ended.record, keeper)
        if isinstance(record, RoundRecord):
            most = max_allocation_bytes(self.posted.terms.max_clients) if self.posted else 0
            yield Wanted(Kind.ALLOCATION, record.allocation, most, keeper)
        screening, holder = self._screening(facts.number)
        if isinstance(screening, bytes):
            yield _wanted(Kind.SCREENING, screening, holder)
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

    def _screening(self, number: int) -> tuple[Digest | Absent | None, Address]:
        """Of what was published of a round's openings, and by whom.

        The request for the round's key says it, so that who answers that knows what counts, whatever comes later; where
        no key was requested, the record of the abandoned round does. Of a round that lost the histories nothing counts.
        """
        facts = self.rounds[number - 1]
        if facts.loses_histories:
            return None, facts.server
        named: KeyRequest | RoundRecord | Absent
        if facts.requested is not None:
            named, keeper = self.request(number), facts.requested_by or facts.server
        elif isinstance(facts.ended, RoundAbandoned):
            named, keeper = self.record(number), facts.ended_by or facts.server
        else:
            return None, facts.server
        if isinstance(named, Absent):
            return named, keeper
        return None if named.screening == ZERO_DIGEST else named.screening, keeper

    def _derived(self, number: int) -> Rederived:
        return self.rederived.get(number, Rederived(number))

    def _known(self, kind: Kind, message: type[T], digest: Digest, keeper: Address) -> T | Absent:
        found = self.documents.get((kind, digest))
        if isinstance(found, message | Absent):
            return found
        return Absent(digest, Lack.AWAITED, keeper)

    def _require_everybody(self) -> None:
        assert self.only is None, "a state of one client does not know the others"


def _wanted(kind: Kind, digest: Digest, keeper: Address) -> Wanted:
    return Wanted(kind, digest, MAX_BYTES[kind], keeper)
