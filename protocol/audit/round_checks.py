"""Checks 6 to 11: one round up to its committed set, from events, views, plan and batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from protocol.audit.evidence import ChainEvidence, Fetch
from protocol.audit.report import Report, document, known, require, same
from protocol.audit.task_checks import TaskFacts, of_task
from protocol.canonical import decode
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.incentives.reputation import eligible, weight_of
from protocol.messages.chain import (
    BatchCommitted,
    DirectCommitted,
    Event,
    KeyRequested,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    TakenOver,
)
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.settlement import Allocation
from protocol.messages.submission import MAX_BATCH_BYTES, Commitment, CommitmentBatch, SignedCommitment
from protocol.round.commitments import batch_root, committed_set, verify_batch, verify_commitment
from protocol.round.planning import History, check_plan, choose_index_set
from protocol.round.state_table import RoundState, may_move
from protocol.sparse.codec import encode_index_set

RoundEvent = (
    RoundOpened
    | BatchCommitted
    | DirectCommitted
    | KeyRequested
    | RoundPublished
    | RoundAbandoned
    | RoundExpired
    | RoundFrozen
)
_AFTER = {
    RoundOpened: RoundState.OPEN,
    BatchCommitted: RoundState.OPEN,
    DirectCommitted: RoundState.OPEN,
    KeyRequested: RoundState.REQUESTED,
    RoundPublished: RoundState.PUBLISHED,
    RoundAbandoned: RoundState.ABANDONED,
    RoundExpired: RoundState.EXPIRED,
    RoundFrozen: RoundState.FROZEN,
}


@dataclass
class RoundFacts:
    """One round as far as it could be established."""

    number: int
    events: list[RoundEvent]
    opened: RoundOpened | None = None
    batched: BatchCommitted | None = None
    directs: list[DirectCommitted] = field(default_factory=list)
    requested: KeyRequested | None = None
    ended: RoundPublished | RoundAbandoned | RoundExpired | None = None
    frozen: RoundFrozen | None = None
    plan: RoundPlan | None = None
    indices: npt.NDArray[np.uint32] | None = None
    committed: Mapping[Address, SignedCommitment] | None = None

    @property
    def subject(self) -> str:
        return f"round {self.number}"


def gather(evidence: ChainEvidence, number: int) -> RoundFacts:
    events = [
        event
        for event in evidence.events
        if isinstance(event, RoundEvent) and (event.task, event.round) == (evidence.task, number)
    ]
    facts = RoundFacts(number, events)
    for event in events:
        match event:
            case RoundOpened():
                facts.opened = event
            case BatchCommitted():
                facts.batched = event
            case DirectCommitted():
                facts.directs.append(event)
            case KeyRequested():
                facts.requested = event
            case RoundFrozen():
                facts.frozen = event
            case _:
                facts.ended = event
    return facts


def check_commit_phase(
    report: Report,
    evidence: ChainEvidence,
    fetch: Fetch,
    task: TaskFacts,
    number: int,
    history: History | None,
    before: Allocation | None,
) -> RoundFacts:
    """``history`` and ``before`` (the allocation) are those at the round's opening; None when not established."""
    facts = gather(evidence, number)
    subject = facts.subject
    with report.check(6, subject):
        _check_states(evidence, task, facts)
    with report.check(7, subject):
        _check_plan(evidence, fetch, task, facts, history)
    with report.check(8, subject):
        _check_weights(task, facts, known(before, "the allocation before"))
    with report.check(9, subject):
        _check_index_set(fetch, task, facts, known(history, "the task's history"))
    batch = None
    with report.check(10, subject):
        batch = _check_batch(evidence, fetch, facts)
    directs = []
    for event in facts.directs:
        with report.check(11, f"{subject} client {to_hex(event.client)}"):
            directs.append(_check_direct(evidence, task, facts, event))
    with report.check(11, subject):
        view = known(evidence.rounds.get(number), "the round's view")
        same("number of direct commitments", view.direct, len(facts.directs))
        claimed = {client for (n, client), flag in evidence.directs.items() if n == number and flag}
        same("clients with a direct commitment", claimed, {event.client for event in facts.directs})
        plan = known(facts.plan, "the plan")
        planned = [signed for signed in directs if plan.weight_of(signed.commitment.client) is not None]
        require(len(directs) == len(facts.directs), "a direct commitment is not valid")
        facts.committed = committed_set(known(batch, "the batch"), planned)
    return facts


def _check_states(evidence: ChainEvidence, task: TaskFacts, facts: RoundFacts) -> None:
    view = known(evidence.rounds.get(facts.number), "the round's view")
    require(facts.opened is not None, "no RoundOpened event")
    opened = known(facts.opened, "RoundOpened")
    state, committed = RoundState.NONE, 0
    for event in facts.events:
        after = _AFTER[type(event)]
        require(may_move(state, after), f"{type(event).__name__} in state {state.name}")
        time = evidence.timestamps[event.block]
        match event:
            case BatchCommitted() | DirectCommitted():
                require(time <= opened.commit_until, "a commitment after the commit deadline")
                committed += event.count if isinstance(event, BatchCommitted) else 1
            case KeyRequested():
                early = time <= opened.commit_until
                require(not early or committed >= opened.cohort, "key requested before everyone could commit")
                require(time <= opened.settle_until, "key requested after the settle deadline")
            case RoundPublished() | RoundAbandoned():
                require(time <= opened.settle_until, "settled after the deadline")
            case RoundExpired():
                require(time > opened.settle_until, "expired before the deadline")
            case _:
                pass
        state = after
    same("state", view.state, state)
    require(evidence.timestamps[opened.block] <= evidence.task_view.task_until, "opened after the task's end")
    same("deadlines in the view", (view.commit_until, view.settle_until), (opened.commit_until, opened.settle_until))
    same("cohort in the view", view.cohort, opened.cohort)
    same("label in the view", view.label, opened.label)
    servers = known(task.posted, "TaskPosted").terms.edge_servers
    taken = [e.edge_server for e in of_task(evidence, TakenOver) if _position(e) < _position(opened)]
    same("edge server in the view", servers[view.server : view.server + 1], ((servers[0], *taken)[-1],))
    same("request in the view", view.request, facts.requested.request if facts.requested else ZERO_DIGEST)
    ended = sum(isinstance(event, RoundPublished | RoundAbandoned | RoundExpired) for event in facts.events)
    require(ended <= 1, "ended twice")


def _check_plan(
    evidence: ChainEvidence, fetch: Fetch, task: TaskFacts, facts: RoundFacts, history: History | None
) -> None:
    opened, spec = known(facts.opened, "RoundOpened"), known(task.spec, "the spec")
    plan = decode(RoundPlan, document(fetch, opened.plan, MAX_PLAN_BYTES, "plan"), MAX_PLAN_BYTES)
    same("label", opened.label, plan.label())
    check_plan(plan, spec, evidence.domain, evidence.task, facts.number)
    same("cohort", opened.cohort, len(plan.weights))
    start = evidence.timestamps[opened.block]
    commit_until = start + plan.commit_seconds
    deadlines = (commit_until, commit_until + plan.settle_seconds)
    same("deadlines", (opened.commit_until, opened.settle_until), deadlines)
    facts.plan = plan
    past = known(history, "the task's history")
    same("previous label", plan.previous_label, past.previous_label)
    same("model", plan.model, past.model)


def _check_weights(task: TaskFacts, facts: RoundFacts, before: Allocation) -> None:
    plan, spec = known(facts.plan, "the plan"), known(task.spec, "the spec")
    opened = known(facts.opened, "RoundOpened")
    reputations = {entry.client: entry.reputation for entry in before.entitlements}
    for entry in plan.weights:
        reputation = reputations.get(entry.client)
        if reputation is None or not eligible(reputation, spec.reputation):
            require(False, f"{to_hex(entry.client)} is planned without being eligible")
            continue
        same(f"weight of {to_hex(entry.client)}", entry.weight, weight_of(reputation, spec.reputation))
        left = (task.left or {}).get(entry.client)
        gone = left is not None and _position(left) < _position(opened)
        require(not gone, f"{to_hex(entry.client)} is planned after leaving")


def _check_index_set(fetch: Fetch, task: TaskFacts, facts: RoundFacts, history: History) -> None:
    plan, spec = known(facts.plan, "the plan"), known(task.spec, "the spec")
    derived = choose_index_set(spec, facts.number, history)
    data = document(fetch, plan.index_set, 4 * len(derived) + 4, "index set")
    same("index set", data, encode_index_set(derived))
    same("dimension", plan.dimension, len(derived))
    facts.indices = derived


def _check_batch(evidence: ChainEvidence, fetch: Fetch, facts: RoundFacts) -> CommitmentBatch | None:
    view, event = known(evidence.rounds.get(facts.number), "the round's view"), facts.batched
    if event is None:
        same("batch in the view", (view.batch_root, view.batched), (ZERO_DIGEST, 0))
        return CommitmentBatch(())
    same("batch in the view", (view.batch_root, view.batched), (event.root, event.count))
    batch = decode(CommitmentBatch, document(fetch, event.batch, MAX_BATCH_BYTES, "batch"), MAX_BATCH_BYTES)
    same("root", event.root, batch_root(batch))
    same("count", event.count, len(batch.commitments))
    verify_batch(known(facts.plan, "the plan"), batch)
    return batch


def _check_direct(
    evidence: ChainEvidence, task: TaskFacts, facts: RoundFacts, event: DirectCommitted
) -> SignedCommitment:
    plan = known(facts.plan, "the plan")
    require(event.client in (task.enrolled or {}), "a direct commitment of an outsider")
    commitment = Commitment(evidence.task, facts.number, event.client, event.label, event.nonce, event.ciphertext)
    signed = SignedCommitment(commitment, event.signature)
    same("label", event.label, plan.label())
    if plan.weight_of(event.client) is not None:
        verify_commitment(plan, signed)
    return signed


def _position(event: Event) -> tuple[int, int]:
    return event.block, event.log_index
