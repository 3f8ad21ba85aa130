"""What each mechanism releases: its unit, whose noise counts, and how often one example's gradients are in it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise, product
from math import sqrt

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.errors import MalformedError, Party
from protocol.messages.learning import MICRO, MechanismTerms
from protocol.privacy.figure import Unit
from protocol.privacy.mechanisms import (
    KINDS,
    assumptions_of,
    counted,
    has_guarantee,
    of_features,
    releases_of,
    squared_sensitivity,
    unit_of,
)
from protocol.privacy.port import NoPrivacyError, SampledGaussian

EXAMPLE = MechanismTerms(3, 100_000, MICRO, 2 * MICRO)
APPLIANCE = replace(EXAMPLE, unit="appliance", unit_examples=8)
CLIENT = replace(EXAMPLE, kind="client", unit="household")
DISTRIBUTED = replace(EXAMPLE, kind="distributed", local_steps=1, honest_clients=5, least_weight_ppm=500_000)
CORRELATED = replace(
    EXAMPLE, kind="correlated", local_steps=1, sampling_rate_ppm=MICRO, separation=4, band_micro=(-500_000, 250_000)
)
FEATURES = replace(EXAMPLE, kind="features", noise_multiplier_micro=100_000)
EVERY = (EXAMPLE, CLIENT, DISTRIBUTED, CORRELATED, FEATURES)


def test_every_kind_is_here() -> None:
    assert {mechanism.kind for mechanism in EVERY} == set(KINDS)


def test_an_example_is_in_a_sampled_sum_for_every_local_step() -> None:
    assert releases_of(EXAMPLE, 7) == {SampledGaussian(100_000, 2.0): 21}
    assert releases_of(APPLIANCE, 7) == releases_of(EXAMPLE, 7), (
        "each appliance is clipped as one, however many windows"
    )
    assert (unit_of(EXAMPLE), unit_of(APPLIANCE)) == (Unit.EXAMPLE, Unit.APPLIANCE)


def test_a_household_is_in_one_sum_a_round_and_sampling_hides_nothing() -> None:
    assert releases_of(CLIENT, 7) == {SampledGaussian(MICRO, 2.0): 7}
    assert unit_of(CLIENT) is Unit.HOUSEHOLD


@pytest.mark.parametrize("weights", [(5, 4, 3, 3, 5), (10, 5, 5, 5, 5), (2, 2, 2, 2, 2)])
def test_whoever_stands_out_most_is_hidden_by_at_least_the_noise_that_counts(weights: tuple[int, ...]) -> None:
    """Noise of a weighted sum is sqrt(sum y^2) of one share; a contribution of weight y is y times as long."""
    assert min(weights) * 2 >= max(weights)
    ((found, count),) = releases_of(DISTRIBUTED, 7).items()
    assert (found.rate_ppm, count) == (100_000, 7)
    assert found.noise_multiplier <= 2.0 * sqrt(sum(y * y for y in weights)) / max(weights)
    assert found.noise_multiplier == pytest.approx(2.0 * sqrt(1 + 4 * 0.25)), "one of full weight, four of half of it"
    assert releases_of(replace(DISTRIBUTED, honest_clients=1), 7) == {SampledGaussian(100_000, 2.0): 7}


def _worst(band_micro: tuple[int, ...], separation: int, rounds: int) -> float:
    """By trying every set of rounds that far apart, and gradients of length one along each side of a line."""
    matrix = np.zeros((rounds, rounds))
    for lag, number in enumerate((MICRO, *band_micro)):
        matrix += np.diag([number / MICRO] * max(0, rounds - lag), -lag)[:rounds, :rounds] if lag < rounds else 0.0
    found = 0.0
    for count in range(1, rounds + 1):
        for used in combinations(range(rounds), count):
            if all(later - earlier >= separation for earlier, later in pairwise(used)):
                for signs in product((-1.0, 1.0), repeat=count):
                    found = max(found, float(np.linalg.norm(matrix[:, used] @ np.array(signs))))
    return found


@settings(max_examples=40, deadline=None)
@example((0, 0, MICRO), 2, 4)  # uses that are further apart than they need to be have more rows in common
@given(
    st.lists(st.integers(-MICRO, MICRO), max_size=3).map(tuple),
    st.integers(1, 5),
    st.integers(1, 7),
)
def test_no_use_of_an_example_moves_the_sums_further(band: tuple[int, ...], separation: int, rounds: int) -> None:
    bound, worst = sqrt(squared_sensitivity(band, separation, rounds)) / MICRO, _worst(band, separation, rounds)
    assert worst <= bound * (1.0 + 1e-12)


def test_columns_without_a_common_row_are_counted_exactly() -> None:
    for rounds in (5, 8, 9, 12):
        uses = -(-rounds // 4)
        squared = squared_sensitivity(CORRELATED.band_micro, 4, rounds)
        assert squared == uses * (MICRO**2 + 500_000**2 + 250_000**2)
    # with room for whole columns some use of an example reaches it
    assert _worst(CORRELATED.band_micro, 4, 7) == pytest.approx(
        sqrt(squared_sensitivity(CORRELATED.band_micro, 4, 7)) / MICRO
    )
    assert squared_sensitivity((), 1, 9) == 9 * MICRO**2, "independent noise every round"


def test_correlated_noise_is_one_sum_of_all_rounds() -> None:
    ((found, count),) = releases_of(CORRELATED, 9).items()
    assert (found.rate_ppm, count) == (MICRO, 1)
    assert found.noise_multiplier == pytest.approx(2.0 / sqrt(3 * (1 + 0.25 + 0.0625)), rel=1e-6)
    assert found.noise_multiplier <= 2.0 / sqrt(3 * (1 + 0.25 + 0.0625))
    assert releases_of(CORRELATED, 0) == {}


def test_rounds_that_a_phone_missed_bring_an_example_no_nearer_to_its_next_use() -> None:
    assert counted(CORRELATED, {1, 5, 9}) == 9, "three uses of one example, and not one"
    assert counted(EXAMPLE, {1, 5, 9}) == 3
    assert counted(CORRELATED, set()) == 0


def test_a_finer_unit_costs_twice_the_clip_and_is_not_hidden_by_sampling() -> None:
    assert releases_of(CLIENT, 7, Unit.EXAMPLE) == {SampledGaussian(MICRO, 1.0): 7}
    assert releases_of(APPLIANCE, 2, Unit.EXAMPLE) == {SampledGaussian(MICRO, 1.0): 6}
    assert releases_of(EXAMPLE, 2, Unit.EXAMPLE) == releases_of(EXAMPLE, 2)


def test_what_paper_b_calls_epsilon_adds_up_over_steps_and_guarantees_nothing() -> None:
    assert not has_guarantee(FEATURES)
    assert of_features(replace(FEATURES, local_steps=1), 1) == 10 * MICRO
    assert of_features(FEATURES, 2) == 60 * MICRO
    with pytest.raises(NoPrivacyError):
        releases_of(FEATURES, 1)
    assert "guarantees NOTHING to anybody" in list(assumptions_of(FEATURES))


@pytest.mark.parametrize("mechanism", EVERY)
def test_without_noise_no_kind_has_a_figure(mechanism: MechanismTerms) -> None:
    silent = replace(mechanism, noise_multiplier_micro=0)
    assert not has_guarantee(silent)
    with pytest.raises(NoPrivacyError):
        releases_of(silent, 1)
    with pytest.raises(NoPrivacyError):
        of_features(silent, 1)


def test_words_of_a_task_are_no_error_of_the_phone() -> None:
    for unknown in (replace(EXAMPLE, kind="magic"), replace(EXAMPLE, unit="household")):
        with pytest.raises(MalformedError) as caught:
            unit_of(unknown)
        assert caught.value.fault is Party.MANUFACTURER


@pytest.mark.parametrize("mechanism", EVERY)
def test_a_figure_says_what_it_stands_on(mechanism: MechanismTerms) -> None:
    said = "; ".join(assumptions_of(mechanism))
    assert "{" not in said
    if has_guarantee(mechanism):
        assert f"protects each single {unit_of(mechanism)}" in said
    assert ("5 clients are honest" in said) == (mechanism is DISTRIBUTED)
