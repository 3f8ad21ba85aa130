"""Where a task stands, for people: one view of its state, shown by the edge server, the command line and the report.

Its JSON form is its canonical encoding: integers, strings and lists; empty or zero where nothing is known yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from protocol.identifiers import ZERO_DIGEST, Address, Count, Digest, Range, Word
from protocol.messages.chain import RoundPublished
from protocol.messages.charge import Charge
from protocol.messages.learning import ShortText
from protocol.messages.settlement import Rejection, RoundRecord
from protocol.messages.task import TaskSpec
from protocol.task.documents import Absent
from protocol.task.ending import is_over
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState
from protocol.task.stopping import stopped_after

MAX_STATUS_BYTES = 64 * 1024 * 1024

NOBODY: Address = bytes(20)


@dataclass(frozen=True, slots=True)
class Lacking:
    """A document that cannot be read, and who was to keep it."""

    document: ShortText
    lack: ShortText
    keeper: Address


@dataclass(frozen=True, slots=True)
class RoundStatus:
    round: Count
    state: ShortText  # as the contract has it: open, requested, published, abandoned, expired, frozen
    edge_server: Address  # that opened it
    cohort: Word
    compensation: Word  # that each client which committed is owed, because it has no tree; else 0
    committed: Word  # in the batch and directly
    commit_until: Word  # seconds of block time
    settle_until: Word
    accepted: Count = 0
    rejected: Annotated[tuple[Rejection, ...], Range(0, 10_000)] = ()
    outcome: Annotated[str, Range(0, 120)] = ""  # as its record says: published, garbage, abandoned
    epsilon_micro: Word = 0  # spent so far by a client that trained in every round
    model: Digest = ZERO_DIGEST
    correct: Word = 0  # right answers of the model on the public test set, of ...
    examples: Word = 0
    lacking: tuple[Lacking, ...] = ()
    screening: Annotated[str, Range(0, 120)] = (
        ""  # requested, opened, unopened; empty where nobody was asked to open it
    )
    milliseconds: dict[str, int] = field(default_factory=dict)  # by move, as the edge server that answers measured

    @property
    def accuracy(self) -> float | None:
        """Of a published model."""
        return self.correct / self.examples if self.examples else None

    @property
    def over(self) -> bool:
        return self.state not in ("open", "requested")


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """Amounts in smallest units of ``token``, instants in seconds of block time."""

    task: Word
    state: ShortText  # unknown, enrolling, running, ended; stopped: too few servers or authorities are left
    title: Annotated[str, Range(0, 120)] = ""
    spec: Digest = ZERO_DIGEST
    manufacturer: Address = NOBODY
    edge_server: Address = NOBODY  # the acting one
    enrolled: Count = 0  # those who left included
    left: Count = 0
    max_clients: Word = 0
    max_cohort: Word = 0
    max_rounds: Word = 0  # less those that lapsed draws took
    drawn_at: Word = 0  # block whose hash draws the next cohort, while no round was opened with it
    now: Word = 0
    enrol_until: Word = 0
    task_until: Word = 0
    claim_until: Word = 0
    token: Address = NOBODY
    escrow: Word = 0
    allocated: Word = 0  # by the last settled round
    payable: Word = 0  # of it, past its dispute window
    claimed: Word = 0
    compensated: Word = 0
    refunded: Word = 0
    charge: Annotated[tuple[Charge, ...], Range(0, 1)] = ()  # of the last round whose record can be read
    lacking: tuple[Lacking, ...] = ()
    rounds: tuple[RoundStatus, ...] = ()

    @property
    def epsilon(self) -> float:
        """Of that charge, 0.0 before there is one."""
        return self.charge[0].epsilon if self.charge else 0.0


def status_of(state: TaskState, now: int) -> TaskStatus:
    """At ``now``, in seconds. Never raises for a state of everybody."""
    assert state.only is None, "a state of one client does not know the others"
    posted, spec = state.posted, state.spec
    if posted is None:
        return TaskStatus(state.task, "unknown", now=now)
    stage = "running" if state.rounds else "enrolling"
    if state.current is None and (is_over(state, now) or stopped_after(state) is not None):
        stage = "stopped" if state.stopped else "ended"
    charges = [record.charge for facts in state.rounds if (record := _record(state, facts)) is not None]
    settled = [facts.settled for facts in state.rounds if facts.settled is not None]
    payable_from = state.payable_from()
    payable = settled if payable_from is not None and now >= payable_from else settled[:-1]
    return TaskStatus(
        task=state.task,
        state=stage,
        title=spec.title if isinstance(spec, TaskSpec) else "",
        spec=posted.terms.spec,
        manufacturer=posted.manufacturer,
        edge_server=state.acting or NOBODY,
        enrolled=len(state.enrolled),
        left=len(state.left),
        max_clients=posted.terms.max_clients,
        max_cohort=posted.terms.max_cohort,
        max_rounds=state.total_rounds,
        drawn_at=state.drawn.drawn_at if state.drawn is not None else 0,
        now=now,
        enrol_until=state.enrol_until,
        task_until=posted.task_until,
        claim_until=posted.claim_until,
        token=posted.terms.token,
        escrow=posted.escrow,
        allocated=settled[-1].allocated if settled else 0,
        payable=payable[-1].allocated if payable else 0,
        claimed=sum(event.cumulative for event in state.claims.values()),
        compensated=sum(event.amount for event in state.compensated.values()),
        refunded=state.refunded,
        charge=tuple(charges[-1:]),
        lacking=(Lacking("spec", spec.lack.value, spec.keeper),) if isinstance(spec, Absent) else (),
        rounds=tuple(_round(state, facts) for facts in state.rounds),
    )


def _round(state: TaskState, facts: RoundFacts) -> RoundStatus:
    record, ended, opened = _record(state, facts), facts.ended, facts.opened
    published = ended if isinstance(ended, RoundPublished) else None
    return RoundStatus(
        round=facts.number,
        state=facts.state.name.lower(),
        edge_server=facts.server,
        cohort=opened.cohort,
        compensation=facts.compensation(state.posted.terms) if state.posted and facts.compensates else 0,
        committed=(facts.batched.count if facts.batched else 0) + len(facts.directs),
        commit_until=opened.commit_until,
        settle_until=opened.settle_until,
        accepted=len(record.verdict.accepted) if record else 0,
        rejected=record.verdict.rejected if record else (),
        outcome=record.outcome if record else "",
        epsilon_micro=record.charge.epsilon_micro if record else 0,
        model=published.model if published else ZERO_DIGEST,
        correct=published.correct if published else 0,
        examples=published.examples if published else 0,
        lacking=tuple(_lacking(state, facts.number)),
        screening=screening_word(state, facts),
    )


def screening_word(state: TaskState, facts: RoundFacts) -> str:
    """How far the openings of a screened round are, by what is named of them."""
    if facts.screening is None:
        return ""
    named = state.screening(facts.number)
    if isinstance(named, Absent) and facts.requested is None and facts.ended is None:
        return "requested"
    if named is not None:
        return "opened"
    return "requested" if facts.requested is None and facts.running else "unopened"


def _record(state: TaskState, facts: RoundFacts) -> RoundRecord | None:
    record = state.record(facts.number)
    return record if isinstance(record, RoundRecord) else None


def _lacking(state: TaskState, number: int) -> Iterator[Lacking]:
    for wanted in state.wanted_of(number):
        found = state.documents.get((wanted.kind, wanted.digest))
        if isinstance(found, Absent):
            yield Lacking(wanted.kind.value, found.lack.value, found.keeper)
