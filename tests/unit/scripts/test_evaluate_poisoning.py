"""The poisoning evaluation: defences against what they are, its small profile, and what its report says of misses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.identifiers import Address
from protocol.messages.screening_terms import ALIGNMENT, FOOLSGOLD, KRUM
from scripts.evaluate.evaluation import Silent
from scripts.evaluate.poisoned.defences import (
    BOUND,
    Mean,
    PublishedFoolsGold,
    PublishedMultiKrum,
    Scale,
    Screening,
    address,
    place,
)
from scripts.evaluate.poisoned.run import run
from scripts.evaluate.poisoning import SIZES, Case, Poisoning, cases
from scripts.evaluate.runner import run_cells

SHORT = replace(SIZES["small"].shape, rounds=12)
NOTHING = np.zeros(300, np.int64)


def test_published_defences_weigh_what_they_say() -> None:
    rng = np.random.default_rng(1)
    honest = rng.integers(-50, 51, (6, 300))
    sybils = np.tile(rng.integers(-50, 51, 300), (2, 1))
    sent = np.vstack([honest, sybils])
    assert Mean().weigh(1, sent, NOTHING).weights.tolist() == [15] * 8
    weights = PublishedFoolsGold().weigh(1, sent, NOTHING).weights
    assert (weights[:6] > 10_000).all() and not weights[6:].any()
    far = np.vstack([honest, 9 * sybils])
    assert PublishedMultiKrum(2).weigh(1, far, NOTHING).weights.tolist() == [15] * 6 + [0] * 2
    assert (PublishedMultiKrum(7).weigh(1, far, NOTHING).weights > 0).sum() == 6, "fewer than half can be suspects"


def test_foolsgold_remembers() -> None:
    """In a round by itself two sybils may differ; their histories do not."""
    rng, defence = np.random.default_rng(2), PublishedFoolsGold()
    poison, weights = rng.integers(-50, 51, 300), np.zeros(8, np.int64)
    for number in range(1, 30):
        sybils = poison + rng.integers(-120, 121, (2, 300))
        weights = defence.weigh(number, np.vstack([rng.integers(-50, 51, (6, 300)), sybils]), NOTHING).weights
    assert (weights[:6] > 10_000).all() and not weights[6:].any()


def test_honest_updates_fill_the_bound_and_the_terms_say_so() -> None:
    scale = Scale(dimension=400, longest=2.0, deviation=0.1)
    noise = 400 * (0.1 / scale.unit) ** 2
    assert scale.clip**2 + noise == pytest.approx((0.9 * BOUND) ** 2, rel=1e-3)
    assert scale.noise == pytest.approx(noise, rel=1e-3)
    assert scale.terms(KRUM).rule == KRUM


def test_screening_drops_sybils_by_the_next_plan_and_a_long_update_at_once() -> None:
    rng = np.random.default_rng(3)
    scale = Scale(300, 1.0, 0.0)
    screening = Screening(scale, replace(scale.terms(FOOLSGOLD), probation=0), 8, 1)
    own = rng.normal(0, 1, (7, 300))
    own[6] = own[5]
    long = rng.normal(0, 1, (1, 300))
    units = np.vstack([own, 10 * long]) / np.linalg.norm(np.vstack([own, long]), axis=1)[:, None]
    sent = np.rint(units * 0.9 * scale.clip).astype(np.int64)
    judged = [screening.weigh(number, sent, NOTHING) for number in (1, 2, 3, 4)]
    assert judged[0].weights.tolist() == [15] * 7 + [0]
    assert judged[3].weights.tolist() == [15] * 5 + [0] * 3
    assert all(one.rejected == {7} for one in judged)
    assert judged[3].verdict is not None and judged[3].verdict.rejected[0].reason == "norm"


def test_only_those_who_are_planned_are_judged_and_reputation_is_part_of_a_weight() -> None:
    class Two:
        maximum = 5

        def planned(self) -> dict[Address, int]:
            return {address(0): 5, address(2): 2, address(3): 9}

    rng = np.random.default_rng(4)
    scale = Scale(300, 1.0, 0.0)
    screening = Screening(scale, replace(scale.terms(ALIGNMENT), probation=0), 4, 1, Two())
    judged = screening.weigh(1, rng.integers(-100, 101, (4, 300)), NOTHING)
    assert judged.weights.tolist() == [5, 0, 2, 5]
    assert judged.verdict is not None and [place(one) for one in judged.verdict.passed] == [0, 2, 3]


def test_levels_that_leave_nobody_a_weight_count_for_nobody() -> None:
    """As in a plan: two clients that are one to foolsgold."""
    scale = Scale(300, 1.0, 0.0)
    screening = Screening(scale, replace(scale.terms(FOOLSGOLD), probation=0), 2, 1)
    sent = np.tile(np.random.default_rng(1).integers(-100, 101, 300), (2, 1))
    judged = [screening.weigh(number, sent, np.zeros(300, np.int64)) for number in (1, 2, 3, 4)]
    last = judged[-1].verdict
    assert last is not None and [entry.level for entry in last.levels] == [0, 0]
    assert set(screening.weights().values()) == {15}


def test_a_run_is_the_same_every_time_and_another_with_another_seed() -> None:
    setting = replace(SHORT, attackers=2, attack="label flip", defence="screened")
    assert run(setting, 1, Silent()) == run(setting, 1, Silent())
    assert run(setting, 1, Silent())["accuracy"] != run(setting, 2, Silent())["accuracy"]


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    kept = run_cells(Poisoning(None), "small", None, lambda *_: Silent())
    return {key: one["result"] for key, one in kept.items()}


def test_the_small_profile_keeps_its_bars(small: dict[str, Any]) -> None:
    report = Poisoning(None).report("small", small)
    assert [(row.what, row.value) for row in report.rows if not row.met] == []
    assert len(report.rows) == 15
    assert all(cell != "nan" for table in report.tables for row in table.rows for cell in row)
    assert all(len(row) == len(table.headings) for table in report.tables for row in table.rows)


def test_a_report_says_what_is_missed(small: dict[str, Any]) -> None:
    spoilt = {key: dict(one) for key, one in small.items()}
    key = "classes.label-flip.30.noisy.screened.1"
    spoilt[key] |= {"flipped": 0.5, "accuracy": 0.1}
    spoilt["alike.sign-flip.8.quiet.screened.1"]["last"] = {**small[key]["last"], "attackers": 0.01, "honest": 0.5}
    missed = [row.what for row in Poisoning(None).report("small", spoilt).rows if not row.met]
    assert len(missed) == 4
    assert sum("with noise" in what for what in missed) == sum("no noise" in what for what in missed) == 2


def test_a_part_of_the_runs_makes_a_report_that_says_so(small: dict[str, Any]) -> None:
    part = {key: one for key, one in small.items() if "rider" not in key}
    whole, some = (Poisoning(None).report("small", results) for results in (small, part))
    assert some.rows[:-1] == whole.rows[:-1] and "not run" not in " ".join(whole.notes)
    assert some.notes[-1] == "2 of the profile's 33 settings are not in these tables: they were not run."


def test_keys_are_different_and_targets_come_first_with_three_seeds() -> None:
    found = cases("full")
    assert len({case.key for case in found}) == len(found)
    ours = {case.key: case.seeds for case in found if case.defence == "screened"}
    for noise, sybils in (("quiet", (2, 5, 9)), ("noisy", (2, 5, 9, 30, 90))):
        assert {ours[f"classes.label-flip.{count}.{noise}.screened"] for count in sybils} == {3}
        for attack in ("sign-flip", "omniscient"):
            assert {ours[f"alike.{attack}.{count}.{noise}.screened"] for count in (10, 20)} == {3}
        assert ours[f"classes.boosted.1.{noise}.screened"] == 3
    assert {Case("uneven", "split", 10, True, "screened").key, "classes.label-flip.1.quiet.screened"} <= set(ours)
