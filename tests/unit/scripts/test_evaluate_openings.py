"""The reader of openings: what it measures is exact, it guesses without measurements, and its small profile holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from protocol.identifiers import sha256
from protocol.screening.sketch import sketch_of
from scripts.cli import app
from scripts.evaluate.evaluation import Silent
from scripts.evaluate.openings import SIZES, OpeningsRead
from scripts.evaluate.poisoned.readers import Shadows, direction, distance, hits, read, recovered
from scripts.evaluate.registry import evaluation
from scripts.evaluate.runner import run_cells
from scripts.evaluate.told import tell

RNG = np.random.default_rng(1)
SHADOWS = Shadows(RNG.normal(0, 1, (60, 5)) @ RNG.normal(0, 1, (5, 40)), RNG.dirichlet(np.ones(10), 60))


def test_an_inner_product_of_sketches_is_an_exact_measurement_of_the_vector() -> None:
    sketch = sketch_of(sha256(b"a beacon"), 700)
    own, known = (np.random.default_rng(seed).integers(-50, 51, 700) for seed in (2, 3))
    opened = int(sketch.of_integers(own) @ sketch.of_integers(known))
    assert direction(sketch, known) @ own == opened


def test_as_many_measurements_as_shadows_have_directions_recover_all() -> None:
    victims = RNG.normal(0, 1, (7, 60)) @ SHADOWS.updates / 60
    directions = RNG.normal(0, 1, (5, 40))
    guess = read(SHADOWS, directions, victims @ directions.T, variance=0.0)
    middle = SHADOWS.updates.mean(axis=0)
    assert recovered(guess.updates, victims, middle) == pytest.approx(1, abs=1e-4)
    few = read(SHADOWS, directions[:2], victims @ directions[:2].T, variance=0.0)
    assert 0 < recovered(few.updates, victims, middle) < 0.9
    drowned = read(SHADOWS, directions, victims @ directions.T, variance=1e9)
    assert recovered(drowned.updates, victims, middle) == pytest.approx(0, abs=1e-3)


def test_without_a_measurement_it_guesses_the_mean() -> None:
    guess = read(SHADOWS, np.zeros((0, 40)), np.zeros((3, 0)), 0.0)
    assert guess.updates == pytest.approx(np.tile(SHADOWS.updates.mean(axis=0), (3, 1)))
    assert recovered(guess.updates, guess.updates + 1, SHADOWS.updates.mean(axis=0)) == 0


def test_figures_of_label_distributions() -> None:
    truth = np.array([[1.0, 0.0], [0.25, 0.75]])
    assert distance(truth, truth) == 0 and hits(truth, truth) == 1
    assert distance(truth[:, ::-1], truth) == pytest.approx((1 + 0.5) / 2) and hits(truth[:, ::-1], truth) == 0


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    return run_cells(OpeningsRead(None), "small", None, lambda *_: Silent())


def test_the_small_profile_keeps_its_bars_and_is_a_part_of_the_attacks(small: dict[str, Any]) -> None:
    told = tell(OpeningsRead(None), "small", None, small)
    assert [(row["what"], row["value"]) for row in told["report"]["rows"] if not row["met"]] == []
    assert told["command"] == "hearth evaluate attack --openings --profile small"
    assert all(len(row) == len(table["headings"]) for table in told["report"]["tables"] for row in table["rows"])


def test_more_colluders_and_more_rounds_read_more_and_noise_hides_some(small: dict[str, Any]) -> None:
    quiet, noisy = (small[f"{word}.1"]["result"] for word in ("quiet", "noisy"))
    for kind in ("absent", "present"):
        alone = [noisy[kind][f"0 {rounds}"]["recovered"] for rounds in (1, 10, 50)]
        assert alone[0] < alone[1] < alone[2] < noisy[kind]["-1 50"]["recovered"] + 0.02
    crowd = [noisy["round"][str(colluders)]["recovered"] for colluders in (0, 5, 20)]
    assert crowd[0] < crowd[1] < crowd[2] < quiet["round"]["20"]["recovered"]
    assert noisy["round"]["-1"]["distance"] < noisy["round"]["-1"]["guessed"]


def test_it_is_asked_for_by_the_attack_alone() -> None:
    assert evaluation("openings").name == "openings"
    assert SIZES["full"].seeds == 3
    assert CliRunner().invoke(app, ["evaluate", "bdp", "--openings"]).exit_code == 2
    assert CliRunner().invoke(app, ["evaluate", "openings"]).exit_code == 2
