"""What clients earn in ``hearth evaluate incentives``: by the product's rules, and its small profile keeps its bars."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.identifiers import sha256
from protocol.incentives.contribution import Progress
from protocol.messages.screening import HISTORY, NORM, RULE, ClientLevel, ClientShare, ScreeningVerdict
from protocol.messages.screening_terms import ALIGNMENT, ScreeningTerms
from protocol.messages.settlement import Rejection
from protocol.messages.task import ReputationTerms, RewardTerms
from scripts.evaluate.evaluation import Silent
from scripts.evaluate.incentives import REPUTATIONS, Incentives, run, scenes
from scripts.evaluate.poisoned.defences import address
from scripts.evaluate.poisoned.payout import Standings, paid
from scripts.evaluate.runner import run_cells

TERMS = ReputationTerms(initial=2, floor=2, maximum=4, waiting_rounds=2)
REWARDS = RewardTerms(participation=10, contribution=1_000, target_gain_ppm=100_000)


SCREENING = ScreeningTerms(ALIGNMENT, norm_bound=100, clip=50, window=10, probation=3)


def verdict(*accepted: int, **given: Any) -> ScreeningVerdict:
    """Of clients 0 to 4, after probation; 0 and 1 share the contribution."""
    names = tuple(map(address, accepted))
    empty = ScreeningVerdict(sha256(b"l"), sha256(b"r"), (), names, (), True, (), (), (), SCREENING.probation)
    shares = (ClientShare(address(0), 750_000, 0), ClientShare(address(1), 250_000, 1_000_000))
    return replace(empty, shares=shares, **given)


def test_reputation_follows_the_verdict() -> None:
    """Who is accepted rises; who rides free stays; what openings show costs."""
    standings = Standings(5, TERMS)
    out = (Rejection(address(2), NORM), Rejection(address(3), RULE))
    standings.settle(verdict(0, 1, 4, rejected=out, idle=(address(1),)), SCREENING)
    assert [standings.reputations[address(n)] for n in range(5)] == [3, 2, 0, 0, 3]
    assert set(standings.planned()) == {address(n) for n in (0, 1, 4)}
    standings.settle(verdict(1, 4, rejected=(Rejection(address(0), HISTORY),)), SCREENING)
    assert [standings.reputations[address(n)] for n in range(5)] == [2, 3, 1, 1, 4]


def test_contribution_is_shared_by_openings_or_by_weight() -> None:
    standings = Standings(4, TERMS)
    gain = Progress(best=50, correct=60, examples=100)  # all of the contribution, times reputation 2 of 4
    found = paid(verdict(0, 1, 2, rejected=(Rejection(address(3), RULE),)), standings, TERMS, SCREENING, gain, REWARDS)
    assert found.participation.tolist() == [10, 10, 10, 0]
    assert found.by_weight.tolist() == [500, 500, 500, 0]
    assert found.by_openings.tolist() == [2_250, 750, 0, 0]
    nothing = paid(verdict(0, 1, 2, 3), standings, TERMS, SCREENING, Progress(60, 60, 100), REWARDS)
    assert not nothing.by_openings.any() and not nothing.by_weight.any() and nothing.participation.all()


def test_level_0_earns_nothing_in_probation_either() -> None:
    standings, gain = Standings(3, TERMS), Progress(50, 50, 100)
    early = verdict(rounds=1, levels=(ClientLevel(address(0), 1), ClientLevel(address(1), 0)))
    assert paid(early, standings, TERMS, SCREENING, gain, REWARDS).participation.tolist() == [10, 10, 10]
    standings.settle(early, SCREENING)
    assert paid(early, standings, TERMS, SCREENING, gain, REWARDS).participation.tolist() == [10, 0, 10]
    assert not paid(verdict(), standings, TERMS, SCREENING, gain, REWARDS).participation.any()
    assert set(standings.reputations.values()) == {2}


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    kept = run_cells(Incentives(None), "small", None, lambda *_: Silent())
    return {key: one["result"] for key, one in kept.items()}


def test_the_small_profile_keeps_its_bars(small: dict[str, Any]) -> None:
    report = Incentives(None).report("small", small)
    assert [(row.what, row.value) for row in report.rows if not row.met] == []
    assert len(report.rows) == 8
    assert all(len(row) == len(table.headings) for table in report.tables for row in table.rows)
    assert all(plot.lines for plot in report.plots)


def test_a_share_of_the_dishonest_is_a_miss(small: dict[str, Any]) -> None:
    spoilt = copy.deepcopy(small)
    spoilt["30-sybils.usual.1"]["paid"]["0.05"]["by_openings"] = [8.0, 2.0]
    missed = [row.value for row in Incentives(None).report("small", spoilt).rows if not row.met]
    assert missed == [0.8]


def test_a_boosted_poisoner_loses_its_reputation_and_a_crowd_of_sybils_all_that_is_paid(
    small: dict[str, Any],
) -> None:
    boosted, sybils = small["one-boosted.usual.1"], small["30-sybils.usual.1"]
    assert boosted["curve"][-1][2] <= 2 < boosted["curve"][-1][1]
    assert boosted["paid"]["0.05"]["participation"][1] == 0
    for kind in ("participation", "by_openings"):
        assert sybils["paid"]["0.05"][kind][1] == 0 < sybils["paid"]["0.05"][kind][0]
    assert sybils["paid"]["0.05"]["by_weight"][1] > sybils["paid"]["0.05"]["by_weight"][0]
    assert sybils["curve"][-1][2] == 2, "level 0 takes no reputation, and gives none"


def test_parameters_change_what_is_earned_and_a_run_is_the_same_every_time() -> None:
    scene = next(scene for scene in scenes("small") if scene.name == "nobody dishonest")
    usual = run(scene, "small", 1, Silent())
    assert usual == run(scene, "small", 1, Silent())
    flat = run(replace(scene, reputation="flat"), "small", 1, Silent())
    slow = run(replace(scene, reputation="slow"), "small", 1, Silent())
    earned = [one["paid"]["0.05"]["by_weight"][0] for one in (flat, usual, slow)]
    assert earned[0] >= earned[1] > earned[2] > 0, "a reputation that rises slowly pays less on the way"
    assert np.all(np.diff([row[1] for row in slow["curve"]]) >= 0)


def test_the_full_profile_has_three_seeds_for_its_targets_and_all_parameters() -> None:
    found = scenes("full")
    assert {scene.reputation for scene in found} == set(REPUTATIONS)
    targeted = [s for s in found if s.reputation == "usual" and ("sybils" in s.name or "rider" in s.attack)]
    assert {scene.seeds for scene in targeted} == {3} and {scene.attackers for scene in targeted} == {10, 90}
    keys = [cell.key for cell in Incentives(None).cells("full")]
    assert len(set(keys)) == len(keys)
