"""The demonstration's task under each mechanism can run, with either suite, and says what it protects."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.encryption.port import largest_value
from protocol.messages.learning import MICRO
from protocol.privacy.spending import planned, spent
from protocol.sparse.grid import largest_sum
from protocol.sparse.index_set import sent_count
from protocol.task.runnable import check_runnable
from scripts.commands.task_file import TaskFile
from scripts.demonstration.mechanisms import MECHANISMS
from scripts.demonstration.presets import DEMO_REPUTATION
from scripts.demonstration.task import SUITES, least_cohort, terms_for, write_task_file

MEMBERS = {f"http://127.0.0.1:{port}": bytes([port]) * 20 for port in range(1, 6)}
CLIENTS, ROUNDS = 10, 10


@pytest.mark.parametrize("suite", sorted(SUITES.values()))
@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
def test_a_task_under_each_mechanism_can_run(mechanism: str, suite: str, tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    write_task_file(path, "digits", CLIENTS, ROUNDS, [b"\x0a" * 20], list(MEMBERS), suite=suite, mechanism=mechanism)
    spec = TaskFile(path).spec(b"\1" * 32, b"\2" * 32, MEMBERS.__getitem__)
    check_runnable(spec)
    assert spec.learning.mechanism.kind == mechanism
    _, learning, privacy = terms_for("digits", ROUNDS, mechanism, CLIENTS)
    assert (spec.learning.mechanism, spec.privacy) == (learning.mechanism, privacy)
    whole = spent(planned(spec, ROUNDS), spec.learning, spec.privacy)
    assert whole.epsilon_micro <= privacy.epsilon_budget_micro


def test_what_each_figure_is_of() -> None:
    of = {mechanism: terms_for("digits", ROUNDS, mechanism, CLIENTS) for mechanism in MECHANISMS}
    told = {name: spent({terms.mechanism: ROUNDS}, terms, privacy) for name, (_, terms, privacy) in of.items()}
    units = {name: str(charge.figure.unit) for name, charge in told.items()}
    assert units == {
        "example": "example",
        "client": "household",
        "distributed": "example",
        "correlated": "example",
        "features": "feature coordinate",
    }
    assert told["distributed"].figure.honest_clients == least_cohort(CLIENTS) == 5
    assert told["features"].epsilon_micro == 10 * 10 * ROUNDS * MICRO  # ten steps a round, ten each


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_uncut_integers_have_as_many_bits_as_they_need(dataset: str, tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    write_task_file(path, dataset, CLIENTS, ROUNDS, [b"\x0a" * 20], list(MEMBERS), mechanism="distributed")
    spec = TaskFile(path).spec(b"\1" * 32, b"\2" * 32, MEMBERS.__getitem__)
    count = sent_count(spec.model, spec.learning.sparsity.density_ppm)
    largest, bits = largest_sum(spec.learning, count, spec.schedule.max_examples), spec.learning.quantiser.bits
    assert largest_value(bits - 1) < largest <= largest_value(bits)
    least = DEMO_REPUTATION.floor * MICRO // DEMO_REPUTATION.maximum
    assert spec.learning.mechanism.least_weight_ppm == least
