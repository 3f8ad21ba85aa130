"""The evaluation of sparse updates: the rules that it compares are what they say, the small profile keeps its bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from protocol.model.specification import dimension_of
from protocol.round.training import Assignment, Training
from scripts.evaluate.evaluation import Silent
from scripts.evaluate.rounds import Course, drawn, dropping, play
from scripts.evaluate.runner import run_cells
from scripts.evaluate.sparse_rules import FADING, play_rule
from scripts.evaluate.sparse_run import Setting, at_round
from scripts.evaluate.sparsity import FULL, FULL_LOSSES, SMALL, Sparsity

SETTING = Setting("digits", True, 30, 1, 1.0, 0.3, 120.0, 2.0, density=0.1, between=True)
DIMENSION = dimension_of(SETTING.model)
ROUNDS = 25


class Constant:
    """A trainer whose delta is the same at each coordinate in every round."""

    def __init__(self, delta: float) -> None:
        self._delta = delta

    def train(self, assignment: Assignment) -> Training:
        return Training(np.full(len(assignment.sent.indices), self._delta), ())


def _course(deltas: Sequence[float], setting: Setting = SETTING) -> Course:
    return Course(setting.model, setting.learning(100), [Constant(delta) for delta in deltas], seed=5)


def _everybody(number: int) -> Sequence[int]:
    return range(2)


def test_with_turns_every_coordinate_moves_by_all_rounds_after_a_cycle() -> None:
    setting = replace(SETTING, density=0.25)
    cycle = round(setting.between_turns())
    moved = list(play(_course((1.0, 3.0), setting), cycle))[-1].parameters
    assert setting.between_turns() == pytest.approx(cycle, rel=0.01)
    assert np.mean(moved) == pytest.approx(2.0 * cycle, rel=0.02)


def test_a_fading_residual_counts_for_the_rounds_that_it_waited() -> None:
    """The sum of what faded, over what it would be for a delta of one, is the delta: one turn moves by all rounds."""
    models = list(play_rule(_course((1.0, 3.0)), "fading", ROUNDS, _everybody))
    steps = np.diff(np.stack([np.zeros(DIMENSION), *models]), axis=0)
    moved = steps[np.abs(steps) > 0]
    assert moved == pytest.approx(np.full(len(moved), 2.0 * SETTING.between_turns()), rel=2e-3)
    assert {int(np.count_nonzero(step)) for step in steps} == {393}
    assert 0 < FADING < 1


def test_half_sends_the_largest_last_sums_again_and_owes_the_rest() -> None:
    models = list(play_rule(_course((0.1, 0.3)), "half", ROUNDS, _everybody))
    steps = np.diff(np.stack([np.zeros(DIMENSION), *models]), axis=0)
    assert {int(np.count_nonzero(step)) for step in steps} == {393}
    # whoever is sent for the first time in round r brings r rounds of what it owed
    first = [np.flatnonzero((steps[:number] == 0).all(axis=0) & (steps[number] != 0)) for number in range(ROUNDS)]
    for number, new in enumerate(first):
        assert steps[number][new] == pytest.approx(np.full(len(new), 0.2 * (number + 1)), abs=2e-3)
    again = [np.count_nonzero((steps[number] != 0) & (steps[number - 1] != 0)) for number in range(1, ROUNDS)]
    assert min(again) >= 196


def test_without_a_full_cohort_the_others_owe_nothing_and_lose_nothing() -> None:
    course = _course((1.0, 3.0))
    only_first = list(play_rule(course, "fading", 2, lambda number: [0]))
    assert np.abs(only_first[-1]).max() == pytest.approx(SETTING.between_turns(), rel=2e-3)


@pytest.mark.parametrize(("cohort", "size"), [(drawn(1, 200, 10), 10), (dropping(1, 10, 0.2), 8)])
def test_cohorts_are_drawn_anew_and_the_same_again(cohort: object, size: int) -> None:
    assert callable(cohort)
    found = [tuple(cohort(number)) for number in range(1, 9)]
    assert found == [tuple(cohort(number)) for number in range(1, 9)]
    assert len(set(found)) > 1
    assert {len(set(one)) for one in found} == {size}
    assert all(list(one) == sorted(one) for one in found)


def test_the_small_profile_keeps_its_bar() -> None:
    kept = run_cells(Sparsity(), "small", None, lambda *_: Silent())
    results = {key: one["result"] for key, one in kept.items()}
    report = Sparsity().report("small", results)
    assert [row.what for row in report.rows if not row.met] == []
    assert len(report.rows) == 3
    mean_of = {name: np.mean([results[f"{name}-{seed}"]["last"] for seed in range(2)]) for name, _ in SMALL}
    assert mean_of["few-half-10"] < mean_of["few-10"], "the rejected rule"


def test_losses_are_paired_by_seed_and_round() -> None:
    dense, sparse = {"curve": [[30, 0.9], [60, 0.95]]}, {"curve": [[30, 0.897], [60, 0.95]]}
    empty = {"last": 0.9, "averaged": 0.9, "sent": 1, "parameters": 1}
    results = {
        cell.key: {**empty, "curve": [[20, 0.9], [30, 0.9], [60, 0.9], [100, 0.9]]} for cell in Sparsity().cells("full")
    }
    for seed in range(3):
        results[f"quiet-100-{seed}"] = {**empty, **dense}
        results[f"quiet-10-{seed}"] = {**empty, **sparse}
    rows = Sparsity().report("full", results).rows
    assert [row.value for row in rows[:2]] == [pytest.approx(0.3), pytest.approx(0.0)]
    with pytest.raises(KeyError):
        at_round(dense, 31)


def test_every_row_of_the_targets_is_run() -> None:
    names = [name for name, _ in FULL]
    assert len(names) == len(set(names))
    assert {name for loss in FULL_LOSSES for name in (loss.sparse, loss.dense)} <= set(names)
    keys = [cell.key for cell in Sparsity().cells("full")]
    assert keys.index("noise-100-0") < keys.index("quiet-5-0") < keys.index("noise-100-1")
