"""A small crowd in one process: the task ends, its audit passes, and a seed is enough to repeat its models."""

from __future__ import annotations

from itertools import count

import numpy as np

from client_agent.training.trainers import trainer_for
from protocol.identifiers import sha256
from protocol.model.dataset import Examples
from protocol.model.initialization import initial_parameters
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.sparse.index_set import select
from scripts.crowd.run import run
from scripts.crowd.terms import LEARNING, MODEL, dealt
from scripts.crowd.training import BatchedTraining, Households

CLIENTS = 60


def test_a_crowd_learns_and_its_audit_passes() -> None:
    told = list[tuple[str, int, int]]()
    report = run(CLIENTS, 2, sha256(b"crowd"), lambda *what: told.append(what))
    said = report.as_json()
    assert report.passed and said["audit"]["failed"] == said["audit"]["unknown"] == 0, said["audit"]["not_passed"]
    assert said["audit"]["checks"] > 5 * CLIENTS
    assert len(said["each_round"]) == len(said["accuracy"]) == 2
    assert {"open", "train", "encrypt", "submit", "verify and add"} <= said["each_round"][0]["seconds"].keys()
    assert said["enrolment"]["gas"] > 0 and said["peak_rss_mb"] > 0
    assert ("round 2: submit", CLIENTS, CLIENTS) in told
    again = run(CLIENTS, 2, sha256(b"crowd"), lambda *_: None)
    assert (again.model, again.accuracy) == (report.model, report.accuracy)


def test_phones_that_are_trained_together_send_what_each_would_send_alone() -> None:
    given, parameters = dealt(CLIENTS, seed=3), initial_parameters(MODEL)
    households = Households(MODEL, given.inputs, given.labels)
    sent = select(sha256(b"task"), MODEL, LEARNING, 2)
    randomness = [SeededRandomness(b"phone %d" % number) for number in range(CLIENTS)]
    together = np.concatenate(list(households.updates(BatchedTraining(parameters, LEARNING, sent, "x"), randomness)))
    for number, own, source in zip(count(), together, randomness, strict=False):
        examples = Examples({"inputs": given.inputs[number], "labels": given.labels[number]})
        alone = prepare_update(trainer_for(MODEL, examples), Assignment(parameters, LEARNING, sent, source, "x"))
        assert np.array_equal(alone.values, own), f"phone {number}"
