"""Checks 1 to 5: the ledger, the task's terms, its documents, who enrolled and who left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from protocol.audit.evidence import ChainEvidence, Fetch
from protocol.audit.report import Report, document, known, require, same
from protocol.canonical import decode
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES
from protocol.errors import Party
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import (
    Claimed,
    Enrolled,
    Event,
    Left,
    ReputationRules,
    RoundOpened,
    StakeReturned,
    Standing,
    TakenOver,
    TaskPosted,
)
from protocol.messages.submission import Enrolment, Leave
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.dataset import MAX_DATASET_BYTES, decode_labelled
from protocol.model.evaluation import count_correct
from protocol.model.layout import Layout
from protocol.model.specification import validate
from protocol.round.planning import terms_of
from protocol.signing import verify

E = TypeVar("E", bound=Event)


@dataclass
class TaskFacts:
    """What the later checks stand on; None where it could not be established."""

    posted: TaskPosted | None = None
    spec: TaskSpec | None = None
    parameters: npt.NDArray[np.float32] | None = None
    test_images: npt.NDArray[np.uint8] | None = None
    test_labels: npt.NDArray[np.uint8] | None = None
    enrolled: dict[Address, Enrolled] | None = None
    left: dict[Address, Left] | None = None
    initial_correct: int | None = None  # right answers of the initial model


def of_task(evidence: ChainEvidence, kind: type[E]) -> list[E]:
    """This task's events of one kind, in chain order."""
    return [
        event for event in evidence.events if isinstance(event, kind) and getattr(event, "task", None) == evidence.task
    ]


def check_task(report: Report, evidence: ChainEvidence, fetch: Fetch, expected_codes: tuple[bytes, bytes]) -> TaskFacts:
    facts, subject = TaskFacts(), f"task {evidence.task}"
    with report.check(1, "ledger"):
        same("code", evidence.codes[0], expected_codes[0])
        same("code of its judge", evidence.codes[1], expected_codes[1])
    with report.check(3, f"{subject} spec"):
        spec = decode(TaskSpec, document(fetch, evidence.task_view.spec, MAX_SPEC_BYTES, "spec"), MAX_SPEC_BYTES)
        validate(spec.model)
        facts.spec = spec
    with report.check(2, subject):
        facts.posted = _check_terms(evidence, facts.spec)
    with report.check(3, f"{subject} initial model"):
        spec = known(facts.spec, "the spec")
        layout = Layout.of(spec.model)
        facts.parameters = layout.from_safetensors(
            document(fetch, spec.initial_model, layout.max_bytes, "initial model")
        )
    with report.check(3, f"{subject} test set"):
        spec = known(facts.spec, "the spec")
        data = document(fetch, spec.test_set, MAX_DATASET_BYTES, "test set")
        facts.test_images, facts.test_labels = decode_labelled(data)
    with report.check(19, f"{subject} initial model"):
        model, parameters = known(facts.spec, "the spec").model, known(facts.parameters, "the initial model")
        images, labels = known(facts.test_images, "the test set"), known(facts.test_labels, "the test set")
        facts.initial_correct = count_correct(model, parameters, images, labels)
    _check_enrolments(report, evidence, facts)
    _check_leaves(report, evidence, facts)
    return facts


def check_envelopes(report: Report, facts: TaskFacts, fetch: Fetch, planned: Iterable[Address]) -> None:
    """Only of planned clients: whoever enrols with bytes that no authority accepts harms nobody but itself."""
    for client in sorted(set(planned)):
        with report.check(4, f"client {to_hex(client)} envelope"):
            enrolled = known((facts.enrolled or {}).get(client), "its enrolment")
            document(fetch, enrolled.envelope, MAX_ENVELOPE_BYTES, "key envelope")


def _check_terms(evidence: ChainEvidence, known_spec: TaskSpec | None) -> TaskPosted:
    posts, view = of_task(evidence, TaskPosted), evidence.task_view
    require(len(posts) == 1, f"{len(posts)} TaskPosted events")
    same("spec in view and event", view.spec, posts[0].terms.spec)
    spec = known(known_spec, "the spec")
    posted, terms, durations = posts[0], terms_of(spec), spec.durations
    same("terms", posted.terms, terms)
    same("escrow", posted.escrow, spec.budget())
    same("manufacturer", view.manufacturer, posted.manufacturer)
    same("spec", view.spec, terms.spec)
    same("token", view.token, terms.token)
    in_charge = [terms.edge_servers[0], *(event.edge_server for event in of_task(evidence, TakenOver))]
    require(set(in_charge) <= set(terms.edge_servers), "taken over by a server that the terms do not list")
    same("edge server", view.edge_server, in_charge[-1])
    counts = (view.rounds, view.min_clients, view.max_clients, view.update_reward)
    rules = ReputationRules(spec.reputation.maximum, spec.reputation.floor, spec.reputation.waiting_seconds)
    same("the ledger's reputation rules", evidence.rules, rules)
    same("counts", counts, (terms.rounds, terms.min_clients, terms.max_clients, terms.update_reward))
    start = evidence.timestamps[posted.block]
    task_until = start + durations.task_seconds
    instants = (start + durations.enrolment_seconds, task_until, task_until + durations.claim_seconds)
    same("deadlines in the event", (posted.enrol_until, posted.task_until, posted.claim_until), instants)
    same("deadlines in the view", (view.enrol_until, view.task_until, view.claim_until), instants)
    return posted


def _check_enrolments(report: Report, evidence: ChainEvidence, facts: TaskFacts) -> None:
    events = of_task(evidence, Enrolled)
    facts.enrolled = {}
    for event in events:
        with report.check(4, f"client {to_hex(event.client)}"):
            require(event.client not in facts.enrolled, "enrolled twice")
            facts.enrolled[event.client] = event
            view = known(evidence.enrolments.get(event.client), "its enrolment view")
            same("envelope", view.envelope, event.envelope)
            same("reputation in the view", view.reputation, event.reputation)
            spec = known(facts.spec, "the spec")
            same("reputation", event.reputation, _reputation_at(evidence, event, spec))
            known_before = standing_before(evidence.events, evidence.timestamps, event.client, event).known
            require(not known_before or event.reputation >= spec.reputation.admission, "below the admission floor")
            enrolment = Enrolment(evidence.task, event.client, event.envelope)
            verify(evidence.domain, enrolment, event.signature, event.client, Party.CLIENT)
            returned = event.client in {one.client for one in of_task(evidence, StakeReturned)}
            same("staked", view.staked, spec.deposits.client > 0 and not returned)
            same("in time", evidence.timestamps[event.block] <= evidence.task_view.enrol_until, True)
    with report.check(4, f"task {evidence.task}"):
        same("number enrolled", evidence.task_view.enrolled, len(events))
        require(len(events) <= evidence.task_view.max_clients, "more clients than the task allows")


def standing_before(
    events: Iterable[Event], timestamps: Mapping[int, int], client: Address, until: Event | None
) -> Standing:
    """What the ledger knows of an address right before ``until``, or after all events."""
    standing = Standing(0, False, 0, 0)
    for event in events:
        if until is not None and (event.block, event.log_index) >= (until.block, until.log_index):
            break
        if isinstance(event, Enrolled) and event.client == client:
            standing = replace(standing, task=event.task)
        elif isinstance(event, Claimed) and event.client == client and event.task == standing.task:
            task = 0 if event.freed else event.task
            standing = Standing(event.reputation, True, timestamps[event.block], task)
    return standing


def _reputation_at(evidence: ChainEvidence, enrolled: Enrolled, spec: TaskSpec) -> int:
    """The reputation last settled on chain before an enrolment plus what waiting gave, or the task's initial one."""
    standing = standing_before(evidence.events, evidence.timestamps, enrolled.client, enrolled)
    if not standing.known:
        return spec.reputation.initial
    if standing.reputation >= evidence.rules.floor:
        return standing.reputation
    waited = (evidence.timestamps[enrolled.block] - standing.since) // evidence.rules.waiting_seconds
    return min(evidence.rules.floor, standing.reputation + waited)


def _check_leaves(report: Report, evidence: ChainEvidence, facts: TaskFacts) -> None:
    facts.left = {}
    for event in of_task(evidence, Left):
        with report.check(5, f"client {to_hex(event.client)}"):
            require(event.client not in facts.left, "left twice")
            facts.left[event.client] = event
            require(event.client in (facts.enrolled or {}), "left without having enrolled")
            verify(evidence.domain, Leave(evidence.task, event.client), event.signature, event.client, Party.CLIENT)
    for client, view in sorted(evidence.enrolments.items()):
        with report.check(5, f"client {to_hex(client)} view"):
            left = facts.left.get(client)
            same("left", view.left, left is not None)
            opened = [event for event in of_task(evidence, RoundOpened) if left and _before(event, left)]
            same("last round when it left", view.left_round, len(opened))


def _before(event: Event, other: Event) -> bool:
    return (event.block, event.log_index) < (other.block, other.log_index)
