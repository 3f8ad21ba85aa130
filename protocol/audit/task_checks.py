"""Checks 1 to 3 and 27: the ledger, the task's terms and its documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.audit.case import Case, known, read
from protocol.audit.codes import PublishedCode, expected_codes, named_tasks
from protocol.audit.enrolment_checks import check_enrolments, check_leaves
from protocol.audit.report import require, same
from protocol.deployment import LEDGER
from protocol.identifiers import ZERO_DIGEST, Digest
from protocol.messages.chain import LedgerRules, TakenOver, TaskTerms
from protocol.model.dataset import MAX_DATASET_BYTES, Array, decode_labelled
from protocol.model.evaluation import count_correct
from protocol.model.layout import Layout
from protocol.model.specification import validate
from protocol.round.planning import terms_of
from protocol.task.word import next_word
from protocol.text import in_words
from protocol.vouchers.permutation import check_key


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
        spec = read(case.state.spec, "spec")
        validate(spec.model)
        if spec.vouchers.needed:
            check_key(spec.vouchers)
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
    check_enrolments(case)
    check_leaves(case)
    return facts


def _check_codes(case: Case, published: Mapping[str, PublishedCode]) -> None:
    evidence = case.evidence
    tasks = named_tasks(published[LEDGER], evidence.codes.get(LEDGER, b""))
    for name, code in expected_codes(published, evidence.domain, evidence.rules, tasks).items():
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
    require(state.posted is not None, "no event says that it was posted")
    posted = known(state.posted, "the posting of the task")
    same("spec in view and event", view.spec, posted.terms.spec)
    spec, terms, durations = case.spec, terms_of(case.spec), case.spec.durations
    _check_money_terms(case, posted.terms, terms)
    same("terms", posted.terms, terms)
    same("escrow", case.amount(posted.escrow), case.amount(spec.budget()))
    same("manufacturer", view.manufacturer, posted.manufacturer)
    same("token", view.token, terms.token)
    took_over = {event.edge_server for event in case.of_task(TakenOver)}
    require(took_over <= set(terms.edge_servers), "taken over by a server that the terms do not list")
    same("edge server", view.edge_server, state.acting)
    reputation, rules = spec.reputation, evidence.rules
    agreed = LedgerRules(reputation.maximum, reputation.floor, reputation.waiting_seconds, rules.claim_seconds)
    same("the ledger's reputation rules", rules, agreed)
    require(durations.claim_seconds >= rules.claim_seconds, "less time to claim than the ledger gives")
    counts = (view.rounds, view.min_clients, view.max_clients, view.max_cohort)
    same("counts", counts, (state.total_rounds, terms.min_clients, terms.max_clients, terms.max_cohort))
    same("reward for participation", case.amount(view.participation), case.amount(terms.participation))
    same("reward for contribution", case.amount(view.contribution), case.amount(terms.contribution))
    same("stopped", view.stopped, state.stopped)
    start = evidence.time(posted)
    task_until = start + durations.task_seconds
    instants = (start + durations.enrolment_seconds, task_until, task_until + durations.claim_seconds)
    same("deadlines in the event", (posted.enrol_until, posted.task_until, posted.claim_until), instants)
    in_view = (view.enrol_until, view.task_until, view.claim_until)
    same("deadlines in the view", in_view, (state.enrol_until, *instants[1:]))


def _check_money_terms(case: Case, posted: TaskTerms, agreed: TaskTerms) -> None:
    """Those that are amounts, before all others."""
    for name in ("participation", "contribution", "edge_fee", "authority_fee", "edge_bond", "authority_bond", "stake"):
        amounts = case.amount(getattr(posted, name)), case.amount(getattr(agreed, name))
        same(f"terms, {in_words(name)}", *amounts)
