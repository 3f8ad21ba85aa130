"""Budgets of single examples on the phone: who has spent its own sits the rest out, and nobody sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.privacy.example_budgets import ExampleBudgets
from client_agent.privacy.followed import FollowedRound, followed_in
from client_agent.privacy.own_figures import own_figures
from client_agent.training.dp_sgd import NONE_HELD_OUT, DpSgd, Lengths, NoExamples, charge
from client_agent.training.gradients import Gradients
from protocol.errors import PolicyError
from protocol.messages.learning import MICRO, LearningTerms
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from protocol.round.training import LENGTH_PARTS, NOBODY, Assignment, Training
from protocol.round.update import Update
from tests.samples import sample_spec, with_terms
from tests.unit.client_agent.scene_learning import LINEAR, TERMS, Recorder, everything, examples

COUNT = 12
NAMES = np.arange(100, 100 + COUNT, dtype=np.uint64)
LEARNING = with_terms(
    TERMS, local_steps=3, sampling_rate_ppm=MICRO // 2, clip_micro=3 * MICRO, learning_rate_micro=1_000
)
SPEC = replace(sample_spec(), rounds=10, learning=LEARNING)
GRADIENTS = Gradients(LINEAR, *examples(COUNT, 4))


def _train(
    budgets: ExampleBudgets, point: float = 0.0, learning: LearningTerms = LEARNING, seed: bytes = b"b"
) -> Training:
    parameters = np.full(dimension_of(LINEAR), point, dtype=np.float32)
    admission = budgets.admission(learning, NAMES)
    trainer = DpSgd(GRADIENTS, NONE_HELD_OUT, admission)
    return trainer.train(Assignment(parameters, learning, everything(LINEAR), SeededRandomness(seed), "round"))


def _round(training: Training) -> FollowedRound:
    update = Update(np.zeros(1, dtype=np.int64), (), training.held_out, training.trained)
    found = followed_in(update, LEARNING, SPEC.privacy)
    assert found is not None
    return found


def _in_steps(training: Training) -> npt.NDArray[np.bool_]:
    return training.trained.lengths > 0


def _budgets(epsilon: float, rounds: list[FollowedRound]) -> ExampleBudgets:
    return ExampleBudgets(round(epsilon * MICRO), SPEC, lambda: rounds)


def test_who_has_spent_its_budget_drops_out_for_good_and_nobody_pays_more() -> None:
    rounds, budgets, was_in = list[FollowedRound](), None, np.ones(COUNT, dtype=bool)
    took_part = 0
    for number in range(8):
        budgets = _budgets(4.0, rounds)
        training = _train(budgets, point=number / 10)
        for now in _in_steps(training):
            assert not np.any(now & ~was_in)
            was_in = now
            took_part += int(now.sum())
        rounds.append(_round(training))
    assert COUNT < took_part < 8 * 3 * COUNT
    accounts = _budgets(4.0, rounds).admission(LEARNING, NAMES).budgets
    assert np.array_equal(accounts.active, was_in)
    assert all(accounts.figure(place).epsilon_micro <= 4 * MICRO for place in range(COUNT))


def test_what_a_restart_reads_back_is_what_was_charged() -> None:
    rounds = list[FollowedRound]()
    running = _budgets(4.0, rounds).admission(LEARNING, NAMES)
    parameters = np.zeros(dimension_of(LINEAR), dtype=np.float32)
    trainer = DpSgd(GRADIENTS, NONE_HELD_OUT, running)
    training = trainer.train(Assignment(parameters, LEARNING, everything(LINEAR), SeededRandomness(b"r"), "round"))
    rounds.append(_round(training))
    again = _budgets(4.0, rounds).admission(LEARNING, NAMES[::-1])  # the file was written anew
    assert np.array_equal(again.budgets.spent[::-1], running.budgets.spent)
    assert running.budgets.spent.min() > 0.0


def test_a_budget_that_is_raised_brings_nobody_back_and_one_that_is_lowered_takes_nothing_back() -> None:
    little = _train(_budgets(1.6, []))
    assert not _in_steps(little)[-1].all()
    rounds = [_round(little)]
    assert np.array_equal(_in_steps(_train(_budgets(50.0, rounds)))[0], _in_steps(little)[-1])
    much = [_round(_train(_budgets(50.0, [])))]
    accounts = _budgets(0.1, much).admission(LEARNING, NAMES).budgets
    assert not accounts.admit(np.full(COUNT, 0.5), _budgets(0.1, much).admission(LEARNING, NAMES).release).any()
    assert accounts.figure(0).epsilon_micro > MICRO // 10


def test_an_example_whose_lengths_were_not_kept_has_paid_for_the_longest() -> None:
    """Its owner gave it a budget only later."""
    before = replace(_round(_train(_budgets(50.0, []))), trained=NOBODY)
    accounts = _budgets(50.0, [before]).admission(LEARNING, NAMES).budgets
    longest = _budgets(50.0, []).admission(LEARNING, NAMES).budgets
    for _ in range(3):
        longest.admit(np.ones(COUNT), before.release)
    assert np.array_equal(accounts.spent, longest.spent) and accounts.active.all()


def test_nothing_that_is_sent_shows_whether_anybody_dropped_out() -> None:
    """With every budget spent the update is noise alone, as large as ever; draws are of the same sizes."""
    recorders = [Recorder(b"same") for _ in range(2)]
    parameters = np.zeros(dimension_of(LINEAR), dtype=np.float32)
    spent, rich = (_budgets(epsilon, []).admission(LEARNING, NAMES) for epsilon in (1e-6, 100.0))
    deltas = [
        DpSgd(GRADIENTS, NONE_HELD_OUT, admission)
        .train(Assignment(parameters, LEARNING, everything(LINEAR), recorder, "r"))
        .delta
        for admission, recorder in zip((spent, rich), recorders, strict=True)
    ]
    same = Assignment(parameters, LEARNING, everything(LINEAR), SeededRandomness(b"same"), "r")
    alone = DpSgd(NoExamples()).train(same).delta
    assert np.array_equal(deltas[0], alone) and not np.array_equal(deltas[0], deltas[1])
    assert recorders[0].drawn == recorders[1].drawn
    without = DpSgd(GRADIENTS).train(same)
    assert np.array_equal(without.delta, deltas[1]) and without.trained is NOBODY


def test_a_gradient_of_no_length_took_part_all_the_same() -> None:
    images, labels = np.zeros((2, 12), dtype=np.uint8), np.zeros(2, dtype=np.uint8)
    still = Gradients(LINEAR, images, labels)
    admission = _budgets(50.0, []).admission(LEARNING, NAMES[:2])
    parameters = np.zeros(dimension_of(LINEAR), dtype=np.float32)
    parameters[-3:] = 1e9, -1e9, -1e9  # the biases: certain of the right class
    trainer = DpSgd(still, NONE_HELD_OUT, admission)
    quiet = with_terms(LEARNING, noise_multiplier_micro=1)
    training = trainer.train(Assignment(parameters, quiet, everything(LINEAR), SeededRandomness(b"z"), "r"))
    assert training.trained.lengths.tolist() == [[1, 1]] * 3 and LENGTH_PARTS > 1


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "client"},
        {"kind": "correlated"},
        {"kind": "features"},
        {"unit": "appliance"},
        {"noise_multiplier_micro": 0},
    ],
)
def test_a_task_in_which_no_budget_can_be_kept_is_refused(changes: dict[str, Any]) -> None:
    learning = replace(LEARNING, mechanism=replace(LEARNING.mechanism, **changes))
    with pytest.raises(PolicyError, match="--example-budget"):
        ExampleBudgets(MICRO, replace(SPEC, learning=learning), list)


def test_the_owner_sees_how_many_dropped_out_and_the_dearest() -> None:
    rounds = [_round(_train(_budgets(1.6, [])))]
    found = own_figures(rounds, _budgets(1.6, rounds))
    assert found is not None and found.dearest is not None
    assert found.dropped_out == COUNT - int(_in_steps(_train(_budgets(50.0, rounds)))[0].sum()) > 0
    assert 0 < found.dearest.epsilon_micro <= round(1.6 * MICRO)
    assert f"{found.dropped_out} examples have spent their own budgets" in list(found.lines())[-1]
    assert found.report()["dearest"]["accountant"] == "INDIVIDUAL/1"


class _Strict:
    """Admits nobody who would pay nothing."""

    names = np.arange(3, dtype=np.uint64)

    def admit(self, lengths: Lengths) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = (lengths > 0) & (lengths < 9)
        return found


def test_who_is_in_a_step_pays_for_it_however_short_its_gradient() -> None:
    assert charge(_Strict(), np.array([0, 5, 9], dtype=np.uint16)).tolist() == [1, 5, 0]
