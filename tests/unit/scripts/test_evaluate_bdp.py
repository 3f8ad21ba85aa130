"""The Bayesian evaluation: its accounts are those of one run, and its small profile keeps its looser bar."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.port import SampledGaussian
from scripts.evaluate.bdp import FEATURES, SMALL, Bdp
from scripts.evaluate.bdp_accounts import Accounts
from scripts.evaluate.bdp_run import run
from scripts.evaluate.evaluation import Silent
from scripts.evaluate.images import dealt
from scripts.evaluate.runner import run_cells

ROUNDS, HELD = 20, 40


@pytest.fixture(scope="module")
def accounts() -> dict[str, dict[str, dict[str, float]]]:
    """Of examples that are at the clip in every round, with all other clients' noise and without."""
    kept = Accounts(SMALL.learning(100), [HELD] * SMALL.clients, ROUNDS)
    for _ in range(ROUNDS):
        kept.add([np.full(HELD, SMALL.clip)] * SMALL.clients)
    return kept.figures()


@pytest.mark.parametrize(("which", "factor"), [("aggregated", math.sqrt(SMALL.clients)), ("own", 1.0)])
def test_the_classical_column_is_that_of_the_noise_that_counts(
    accounts: dict[str, dict[str, dict[str, float]]], which: str, factor: float
) -> None:
    step = SampledGaussian(round(SMALL.rate * 10**6), SMALL.noise * factor)
    assert accounts[which]["5"]["pld"] == pytest.approx(PrivacyLoss().epsilon({step: ROUNDS}, 5), rel=1e-3)


@pytest.mark.parametrize("which", ["aggregated", "own"])
def test_who_is_always_at_the_clip_gains_nothing(accounts: dict[str, dict[str, dict[str, float]]], which: str) -> None:
    """Nor loses: the same moments, but for the share of delta that estimates may fail with."""
    for exponent in ("5", "10"):
        found = accounts[which][exponent]
        assert found["headline"] == pytest.approx(found["renyi"], rel=0.01)
        assert found["pld"] < found["headline"] <= found["bernstein"] * (1 + 1e-9)
        assert found["headline"] < found["right"]
        assert found["headline"] < found["paper"]


def test_shorter_gradients_cost_less() -> None:
    learning = SMALL.learning(100)
    shorter = Accounts(learning, [HELD] * SMALL.clients, ROUNDS)
    for _ in range(ROUNDS):
        shorter.add([np.full(HELD, SMALL.clip / 2)] * SMALL.clients)
    figures = shorter.figures()["own"]["5"]
    assert figures["headline"] < 0.7 * figures["renyi"]


def test_what_is_held_out_is_not_trained_on() -> None:
    data = dealt("digits", 5, seed=3, held=100)
    assert [len(part) for part in data.held] == [100] * 5
    assert sum(len(part) for part in (*data.held, *data.clients)) == 1_437
    parts = [part.arrays["inputs"].reshape(len(part), -1) for part in (*data.clients, *data.held)]
    assert len(np.unique(np.concatenate(parts), axis=0)) == len(
        np.unique(dealt("digits", 1, 0).clients[0].arrays["inputs"], axis=0)
    )


def test_a_run_is_the_same_every_time_and_another_with_another_seed() -> None:
    short = replace(SMALL, rounds=3)
    assert run(short, 1, Silent()) == run(short, 1, Silent())
    assert run(short, 1, Silent())["curve"] != run(short, 2, Silent())["curve"]


def test_the_small_profile_keeps_its_bar() -> None:
    kept = run_cells(Bdp(), "small", None, lambda *_: Silent())
    report = Bdp().report("small", {key: one["result"] for key, one in kept.items()})
    assert [row.what for row in report.rows if not row.met] == []
    assert len(report.rows) == 4
    assert all(cell != "nan" for table in report.tables for row in table.rows for cell in row)


def test_an_epsilon_of_inaccurate_runs_meets_no_target() -> None:
    """Noise alone would be private."""
    figures = {"headline": 0.1, "bernstein": 0.1, "right": 0.1, "paper": 0.1, "pld": 0.1, "renyi": 0.1}
    privacy = {"indicative": False, **{which: {"5": figures, "10": figures} for which in ("aggregated", "own")}}
    for accuracy, met in ((0.9599, False), (0.9601, True)):
        one = {"curve": [[1, accuracy]], "last": accuracy, "averaged": accuracy, "parameters": 1, "privacy": privacy}
        results = {cell.key: one for cell in Bdp().cells("full")}
        assert {row.met for row in Bdp().report("full", results).rows} == {met}


@pytest.mark.parametrize("indicative", [True, False])
def test_the_classical_figure_of_convolutions_leads_and_a_doubtful_one_says_so(indicative: bool) -> None:
    figures = {"headline": 0.5, "bernstein": 0.6, "right": 0.7, "paper": 0.8, "pld": 0.4, "renyi": 0.9}
    privacy = {"indicative": indicative, **{which: {"5": figures, "10": figures} for which in ("aggregated", "own")}}
    one = {"curve": [[1, 0.97]], "last": 0.97, "averaged": 0.97, "parameters": 1, "privacy": privacy}
    told = Bdp().report("full", {cell.key: one for cell in Bdp().cells("full")}).rows[-1].value
    doubt = ", indicative" if indicative else ""
    assert told == f"PLD 0.400 aggregated, 0.400 own; BDP 0.500, 0.500{doubt}; at 97.00 %"


def test_the_full_profile_is_the_papers_setting() -> None:
    assert (FEATURES.clients * FEATURES.held, FEATURES.rounds, FEATURES.rate) == (5_000, 200, 0.1)
    assert len([cell for cell in Bdp().cells("full") if cell.key.startswith("features")]) == 5
    assert len(Bdp(2).cells("full")) == 3
