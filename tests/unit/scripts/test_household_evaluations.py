"""What the evaluations of appliances and traffic make of predictions: days, balance, clusters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from client_agent.data.power_windows import Windows
from client_agent.data.tracebase import Appliance
from scripts.evaluate.appliance_run import judged
from scripts.evaluate.appliances import Appliances
from scripts.evaluate.clusters import consensus
from scripts.evaluate.evaluation import Profile, Silent
from scripts.evaluate.runner import run_cells
from scripts.evaluate.traffic import Traffic

DATA: Final = Path(os.environ.get("HEARTH_DATA_DIR", "/nowhere"))
MISSING: Final = "HEARTH_DATA_DIR names no folder with tracebase/ and traffic/ in it: their evaluations are not tested"


def test_a_day_is_judged_by_all_of_its_windows() -> None:
    """Of two days of a lamp one is right by its surest window; a kettle's one window is wrong."""
    owners, days, labels = np.array([0, 0, 0, 0, 1]), np.array([1, 1, 1, 2, 1]), np.array([2, 2, 2, 2, 9])
    windows = Windows(np.zeros((5, 3, 1, 4), np.float32), labels, owners, days, (Appliance(2, "A"), Appliance(9, "A")))
    logs = np.full((5, 10), -9.0)
    logs[[0, 1], 3], logs[[0, 1], 2] = -1.0, -1.1
    logs[2, 2], logs[2, 3] = -0.1, -5.0
    logs[3, 4], logs[4, 2] = -0.1, -0.1
    found = judged(windows, logs)
    assert found == {"window": 1 / 5, "window balanced": 1 / 8, "day": 1 / 3, "day balanced": 1 / 4}


def test_sensors_whose_days_run_alike_are_one_cluster() -> None:
    generator, time = np.random.default_rng(1), np.linspace(0.0, 9.0, 288)
    waves = [np.sin(time), np.cos(2.0 * time), time]
    day = np.stack([waves[sensor % 3] * (1 + sensor) + generator.normal(0, 0.05, 288) for sensor in range(12)], axis=1)
    found = consensus(day, 3, seed=1)
    assert sorted(map(tuple, found)) == [tuple(range(first, 12, 3)) for first in range(3)]
    assert consensus(np.ones((288, 5)), 3, seed=1) == [[0, 1, 2, 3, 4]], "of nothing that differs there is one"


@pytest.mark.parametrize("profile", ["small", "full"])
def test_every_cell_has_a_name_of_its_own(profile: Profile) -> None:
    for evaluation in (Appliances(2), Traffic(2)):
        keys = [cell.key for cell in evaluation.cells(profile)]
        assert len(set(keys)) == len(keys) >= 4


def test_targets_of_appliances_are_of_the_averaged_model_and_of_what_is_lost() -> None:
    figures = {"day": 0.7, "day balanced": 0.7, "window": 0.5, "window balanced": 0.5}
    results: dict[str, dict[str, Any]] = {
        "federated-fold0-seed1": {"averaged": figures, "last": figures | {"day": 0.1}, "course": [(1, 0.2)]},
        "centralised-fold0-seed1": {"last": figures | {"day balanced": 0.9}},
    }
    report = Appliances().report("small", results)
    assert [row.value for row in report.rows] == [0.7, 0.7, 0.2]
    results["centralised-fold0-seed1"]["last"]["day balanced"] = 1.01
    assert not Appliances().report("small", results).met


@pytest.mark.skipif(not (DATA / "traffic").is_dir() or not (DATA / "tracebase").is_dir(), reason=MISSING)
@pytest.mark.parametrize("kind", [Appliances, Traffic])
def test_the_small_profile_keeps_its_bar(kind: type[Appliances] | type[Traffic]) -> None:
    kept = run_cells(kind(), "small", None, lambda *_: Silent())
    report = kind().report("small", {key: one["result"] for key, one in kept.items()})
    assert [row.what for row in report.rows if not row.met] == []
