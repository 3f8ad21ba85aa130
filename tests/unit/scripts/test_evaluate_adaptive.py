"""The evaluation of adaptive local steps: its small profile keeps its bar, and its clients are dealt what they say."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.evaluate.adaptive import Adaptive
from scripts.evaluate.adaptive_run import CASES, CLIENTS, PUBLIC, REPORTED, Setting, dealt, run
from scripts.evaluate.evaluation import Silent


@pytest.mark.parametrize("case", CASES)
def test_everything_is_dealt_out_once(case: str) -> None:
    parts, (_, test_labels) = dealt(case, 0)
    assert len(parts) == CLIENTS
    assert sum(len(labels) for _, labels in parts) + len(test_labels) == 1_797
    kinds = [len(np.unique(labels)) for _, labels in parts]
    assert kinds == {"random": [10] * 5, "labels": [2] * 5, "half": [5, 5, 2, 2, 1]}[case]


def test_the_small_profile_keeps_its_bar() -> None:
    """20 % above the best of three fixed numbers; the full profile asks for 2 % of seven."""
    evaluation = Adaptive()
    results = {cell.key: cell.run(Silent()) for cell in evaluation.cells("small")}
    report = evaluation.report("small", results)
    assert report.met, report.rows


def test_a_run_spends_its_budget_and_no_more() -> None:
    for setting in (Setting("labels", 1.0, 5), Setting("labels", 1.0, by=PUBLIC, phi=0.01)):
        steps = run(setting, 0, Silent())["steps"]
        spent = sum(0.013015156 * taken + 0.131604348 for taken in steps)
        assert 1.0 - (0.013015156 + 0.131604348) <= spent <= 1.0


def test_reported_estimates_see_that_clients_differ() -> None:
    """The number of steps that they give falls with it."""
    steps = {
        case: run(Setting(case, 1.5, by=REPORTED, phi=0.0003), 0, Silent())["steps"] for case in ("random", "labels")
    }
    assert max(steps["labels"]) < max(steps["random"])
