"""Checks 1 to 5: the ledger, the task's terms, its documents, who enrolled and who left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.audit.case import Case, known, read
from protocol.audit.codes import PublishedCode, expected_codes
from protocol.audit.evidence import Replay
from protocol.audit.report import require, same
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES
from protocol.errors import Party
from protocol.identifiers import ZERO_DIGEST, Address, Digest, to_hex
from protocol.messages.chain import Enrolled, Left, ReputationRules, StakeReturned, TakenOver
from protocol.messages.submission import Enrolment, Leave
from protocol.messages.task import TaskSpec
from protocol.model.dataset import MAX_DATASET_BYTES, Array, decode_labelled
from protocol.model.evaluation import count_correct
from protocol.model.layout import Layout
from protocol.model.specification import validate
from protocol.round.planning import terms_of
from protocol.signing import verify
from protocol.task.word import next_word


@dataclass
class TaskFacts:
    """What the later checks stand on; None where it could not be established."""

    parameters: npt.NDArray[np.float32] | None = None  # of the initial model
    test_images: Array | None = None
    test_labels: Array | None = None
    initial_correct: int | None = None  # right answers of the initial model


def check_task(case: Case, published: Mapping[str, PublishedCode]) -> TaskFacts:
    """``published``: the contracts' code as compiled, by name."""
    facts, report, subject = TaskFacts(), case.report, f"task {case.evidence.task}"
    with report.check(1, "ledger"):
        _check_codes(case, published)
    _check_words(case)
    with report.check(3, f"{subject} spec"):
        validate(read(case.state.spec, "spec").model)
    with report.check(2, subject):
        _check_terms(case)
    with report.check(3, f"{subject} initial model"):
        layout = Layout.of(case.spec.model)
        data = case.content(case.spec.initial_model, layout.max_bytes, "initial model")
        facts.parameters = layout.from_safetensors(data)
    with report.check(3, f"{subject} test set"):
        data = case.content(case.spec.test_set, MAX_DATASET_BYTES, "test set")
        facts.test_images, facts.test_labels = decode_labelled(data)
    with report.check(19, f"{subject} initial model"):
        parameters = known(facts.parameters, "the initial model")
        images, labels = known(facts.test_images, "the test set"), known(facts.test_labels, "the test set")
        facts.initial_correct = count_correct(case.spec.model, parameters, images, labels)
    _check_enrolments(case)
    _check_leaves(case)
    return facts


def check_envelopes(case: Case, planned: Iterable[Address]) -> None:
    """Only of planned clients: whoever enrols with bytes that no authority accepts harms nobody but itself."""
    for client in sorted(set(planned)):
        with case.report.check(4, f"client {to_hex(client)} envelope"):
            enrolled = known(case.state.enrolled.get(client), "its enrolment")
            case.content(enrolled.envelope, MAX_ENVELOPE_BYTES, "key envelope")


def _check_codes(case: Case, published: Mapping[str, PublishedCode]) -> None:
    evidence = case.evidence
    for name, code in expected_codes(published, evidence.domain, evidence.rules).items():
        same(f"code of {name}", evidence.codes.get(name), code)


def _check_words(case: Case) -> None:
    """Of the other tasks, too: standings come from all of them."""
    evidence, words = case.evidence, dict[int, Digest]()
    for event, said in zip(evidence.events, evidence.said, strict=True):
        if (task := getattr(event, "task", None)) is not None:
            words[task] = next_word(words.get(task, ZERO_DIGEST), evidence.time(event), said)
    with case.report.check(27, f"task {evidence.task}"):
        same("word", evidence.task_view.word, words.pop(evidence.task, ZERO_DIGEST))
    with case.report.check(27, "all other tasks"):
        for task in sorted({*words, *evidence.words} - {evidence.task}):
            same(f"word of task {task}", evidence.words.get(task), words.get(task))


def _check_terms(case: Case) -> None:
    evidence, state, view = case.evidence, case.state, case.evidence.task_view
    require(state.posted is not None, "no TaskPosted event")
    posted = known(state.posted, "TaskPosted")
    same("spec in view and event", view.spec, posted.terms.spec)
    spec, terms, durations = case.spec, terms_of(case.spec), case.spec.durations
    same("terms", posted.terms, terms)
    same("escrow", posted.escrow, spec.budget())
    same("manufacturer", view.manufacturer, posted.manufacturer)
    same("token", view.token, terms.token)
    took_over = {event.edge_server for event in case.of_task(TakenOver)}
    require(took_over <= set(terms.edge_servers), "taken over by a server that the terms do not list")
    same("edge server", view.edge_server, state.acting)
    counts = (view.rounds, view.min_clients, view.max_clients, view.update_reward)
    rules = ReputationRules(spec.reputation.maximum, spec.reputation.floor, spec.reputation.waiting_seconds)
    same("the ledger's reputation rules", evidence.rules, rules)
    same("counts", counts, (terms.rounds, terms.min_clients, terms.max_clients, terms.update_reward))
    start = evidence.time(posted)
    task_until = start + durations.task_seconds
    instants = (start + durations.enrolment_seconds, task_until, task_until + durations.claim_seconds)
    same("deadlines in the event", (posted.enrol_until, posted.task_until, posted.claim_until), instants)
    same("deadlines in the view", (view.enrol_until, view.task_until, view.claim_until), instants)


def _check_enrolments(case: Case) -> None:
    evidence, replay = case.evidence, Replay(case.evidence)
    returned = {event.client for event in case.of_task(StakeReturned)}
    count = 0
    for event in replay.own():
        if not isinstance(event, Enrolled):
            continue
        count += 1
        with case.report.check(4, f"client {to_hex(event.client)}"):
            require(event.client not in replay.state.enrolled, "enrolled twice")
            view = known(evidence.enrolments.get(event.client), "its enrolment view")
            same("envelope", view.envelope, event.envelope)
            same("reputation in the view", view.reputation, event.reputation)
            _check_reputation(case, replay, event, case.spec)
            enrolment = Enrolment(evidence.task, event.client, event.envelope)
            verify(evidence.domain, enrolment, event.signature, event.client, Party.CLIENT)
            same("staked", view.staked, case.spec.deposits.client > 0 and event.client not in returned)
            require(evidence.time(event) <= evidence.task_view.enrol_until, "enrolled too late")
    with case.report.check(4, f"task {evidence.task}"):
        same("number enrolled", evidence.task_view.enrolled, count)
        require(count <= evidence.task_view.max_clients, "more clients than the task allows")


def _check_reputation(case: Case, replay: Replay, enrolled: Enrolled, spec: TaskSpec) -> None:
    """What its standing on chain before the enrolment is worth here, or the task's initial one."""
    counts, reputation = replay.admission(enrolled, spec.reputation.initial)
    same("reputation", enrolled.reputation, reputation)
    if counts:
        require(reputation >= spec.reputation.admission, "below the admission floor")


def _check_leaves(case: Case) -> None:
    evidence, replay = case.evidence, Replay(case.evidence)
    for event in replay.own():
        if not isinstance(event, Left):
            continue
        with case.report.check(5, f"client {to_hex(event.client)}"):
            require(event.client not in replay.state.left, "left twice")
            require(event.client in replay.state.enrolled, "left without having enrolled")
            verify(evidence.domain, Leave(evidence.task, event.client), event.signature, event.client, Party.CLIENT)
    for client, view in sorted(evidence.enrolments.items()):
        with case.report.check(5, f"client {to_hex(client)} view"):
            same("left", view.left, client in case.state.left)
            same("last round when it left", view.left_round, case.state.left.get(client, 0))
