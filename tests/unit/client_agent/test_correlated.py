"""Mechanism ``correlated``: noise that later rounds take back, the same after a restart, of a known sensitivity."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import floor
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.privacy.correlated_noise import CorrelatedNoise, inverse_of
from client_agent.training.correlated import Correlated
from client_agent.training.dp_sgd import NoExamples
from client_agent.training.trainers import trainer_for
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, LearningTerms
from protocol.privacy.mechanisms import squared_sensitivity
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.sparse.grid import step_of, units_of_clip
from protocol.sparse.index_set import everything
from tests.samples import with_terms
from tests.unit.client_agent.scene_tiny import (
    EVERYTHING,
    POINTS,
    POOL,
    SECRET,
    TERMS,
    TINY,
    examples_of,
    households,
    square,
    trained,
)

BAND = (-500_000, 300_000, 125_000)
ROUNDS, STD = 6, Fraction(500)
QUIET = with_terms(TERMS, kind="correlated", density_ppm=MICRO)
NOISY = with_terms(QUIET, noise_multiplier_micro=2 * MICRO, band_micro=BAND)


def _noise(secret: bytes = SECRET) -> CorrelatedNoise:
    return CorrelatedNoise(SeededRandomness(secret).draw)


def _rounds(count: int, band: tuple[int, ...] = BAND, rounds: int = ROUNDS) -> npt.NDArray[np.int64]:
    noise = _noise()
    return np.stack([noise.at(number, band, STD, count) for number in range(1, rounds + 1)])


@pytest.mark.parametrize("band", [(), (-1_000_000,), (500_000, 375_000), BAND])
def test_a_sum_over_rounds_has_the_variance_that_the_band_promises(band: tuple[int, ...]) -> None:
    """Of every number of rounds from the first on, and of each round by itself."""
    count = 20_000
    found, weights = _rounds(count, band), inverse_of(band, ROUNDS)
    matrix = np.array(
        [[weights[row - column] if row >= column else 0.0 for column in range(ROUNDS)] for row in range(ROUNDS)]
    )
    tolerance = 5 * (2 / count) ** 0.5
    for rounds in range(1, ROUNDS + 1):
        promised = float(STD) ** 2 * (matrix[:rounds].sum(axis=0) ** 2).sum()
        assert found[:rounds].sum(axis=0).var() == pytest.approx(promised, rel=tolerance, abs=1.0)
        alone = float(STD) ** 2 * (matrix[rounds - 1] ** 2).sum()
        assert found[rounds - 1].var() == pytest.approx(alone, rel=tolerance)
    assert abs(found.mean()) < 5 * float(STD) / count**0.5


def test_a_positive_band_takes_noise_back_and_no_band_does_not() -> None:
    sums = {band: _rounds(20_000, band).sum(axis=0).var() for band in ((), (500_000, 375_000))}
    assert sums[()] == pytest.approx(ROUNDS * float(STD) ** 2, rel=0.06)
    assert sums[500_000, 375_000] < 0.5 * sums[()]


def test_the_noise_is_the_same_after_a_restart_and_in_whatever_order_rounds_come() -> None:
    through = _rounds(50)
    for number in range(1, ROUNDS + 1):
        assert np.array_equal(_noise().at(number, BAND, STD, 50), through[number - 1])  # a new life of the phone
    noise = _noise()
    for number in (4, 4, 2, 6, 5):
        assert np.array_equal(noise.at(number, BAND, STD, 50), through[number - 1])
    assert noise.at(3, (), STD, 50).tolist() != through[2].tolist()
    assert np.array_equal(noise.at(3, BAND, STD, 50), through[2])


def test_another_enrolment_has_other_noise() -> None:
    one, other = (_noise(secret).at(1, BAND, STD, 1_000) for secret in (SECRET, SECRET[::-1]))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.15


@settings(max_examples=60)
@given(
    sums=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=8),
    band=st.lists(st.integers(-MICRO, MICRO), max_size=3).map(tuple),
    ideal=st.lists(st.fractions(-2_000, 2_000), min_size=8, max_size=8),
)
def test_what_is_sent_follows_from_a_gaussian_mechanism_on_c_x_and_nothing_else(
    sums: list[int], band: tuple[int, ...], ideal: list[Fraction]
) -> None:
    """x + n, for any x, is what rounding makes of y = C x + Z and of what was sent before: x itself is not needed."""

    def rounded(_: Any, __: int, ___: Any, purpose: str, shifts_micro: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        z = ideal[int(purpose.rpartition("/")[2]) - 1]
        return np.array([floor(z - Fraction(int(shift), MICRO) + Fraction(1, 2)) for shift in shifts_micro])

    noise, column, sent = _noise(), (MICRO, *band), list[int]()
    with mock.patch("client_agent.privacy.correlated_noise.rounded_gaussian", rounded):
        for number, own in enumerate(sums, start=1):
            before = reversed(sums[:number])
            y = ideal[number - 1] + sum(Fraction(c, MICRO) * x for c, x in zip(column, before, strict=False))
            taken = sum(Fraction(c, MICRO) * x for c, x in zip(band, reversed(sent), strict=False))
            sent.append(floor(y - taken + Fraction(1, 2)))
            assert own + int(noise.at(number, band, STD, 1)[0]) == sent[-1]


@pytest.mark.parametrize(
    ("separation", "band"), [(1, ()), (1, (500_000,)), (1, (-700_000, 300_000)), (3, BAND[:2]), (2, BAND)]
)
def test_one_example_of_any_tiny_household_moves_c_x_by_no_more_than_the_accountant_counts(
    separation: int, band: tuple[int, ...]
) -> None:
    """Exhaustive over households, who leaves, and points: in integers, over all rounds together."""
    learning = with_terms(QUIET, separation=separation, band_micro=band)
    allowed, longest = squared_sensitivity(band, separation, ROUNDS) * units_of_clip(4) ** 2, 0
    paths = [[point] * ROUNDS for point in POINTS] + [[POINTS[n % len(POINTS)] for n in range(ROUNDS)]]
    sums = {
        (household, which): [_steps(household, learning, point, n) for n, point in enumerate(path, start=1)]
        for household, (which, path) in product(households(2), enumerate(paths))
    }
    for (household, which), with_it in sums.items():
        others = [household[:place] + household[place + 1 :] for place in range(len(household))]
        for other in others:
            without = sums[other, which] if other else [[0] * 4] * ROUNDS
            moved = np.array(with_it) - np.array(without)
            spread = [
                sum(c * moved[row - lag] for lag, c in enumerate((MICRO, *band)) if row >= lag) for row in range(ROUNDS)
            ]
            longest = max(longest, square([int(one) for row in spread for one in row]))
    assert longest <= allowed
    if not band or separation > len(band):  # then the count is exact, less what has no room after the last round
        assert longest > 0.6 * allowed


def _steps(
    household: tuple[int, ...], learning: LearningTerms, point: npt.NDArray[np.float32], number: int
) -> list[int]:
    sent = everything(4, number)
    delta = trained(examples_of(household), learning, point, sent).delta
    return [round(one) for one in delta / step_of(learning, sent)]


def test_every_example_has_its_turn_in_one_of_so_many_rounds() -> None:
    learning = with_terms(QUIET, separation=3)
    for place in range(len(POOL)):
        used = [any(_steps((place,), learning, POINTS[0], number)) for number in range(1, 10)]
        assert sum(used[:3]) == 1
        assert used[:3] == used[3:6] == used[6:]
    turns = {tuple(any(_steps((place,), learning, POINTS[0], n)) for n in (1, 2, 3)) for place in range(len(POOL))}
    assert len(turns) > 1


def test_a_turn_follows_from_the_example_and_not_from_its_company() -> None:
    learning = with_terms(QUIET, separation=2)
    for number in (1, 2):
        alone = np.array([_steps((place,), learning, POINTS[0], number) for place in range(len(POOL))])
        together = _steps(tuple(range(len(POOL))), learning, POINTS[0], number)
        assert together == alone.sum(axis=0).tolist()


def test_an_update_is_minus_sum_and_noise_by_the_public_divisor() -> None:
    trainer = trainer_for(TINY, examples_of((0, 1, 3)), secret=SECRET)
    sent = everything(4, 5)
    found, quiet = (
        trainer.train(Assignment(POINTS[1], terms, sent, SeededRandomness(b""), "r")).delta for terms in (NOISY, QUIET)
    )
    noise = _noise().at(5, BAND, Fraction(2 * units_of_clip(4)), 4)
    np.testing.assert_allclose(found - quiet, -noise * step_of(NOISY, sent), rtol=1e-9)
    alone = Correlated(NoExamples(), np.zeros(0, dtype=np.uint64), _noise())
    delta = alone.train(Assignment(POINTS[1], NOISY, sent, SeededRandomness(b"other"), "r")).delta
    np.testing.assert_allclose(delta, found - quiet, rtol=1e-9)  # it has the same noise with no examples


def test_what_it_cannot_do_is_refused() -> None:
    nobody = Correlated(NoExamples(), np.zeros(0, dtype=np.uint64), _noise())
    with pytest.raises(MalformedError, match="2 local steps"):
        nobody.train(Assignment(POINTS[0], with_terms(NOISY, local_steps=2), EVERYTHING, SeededRandomness(b""), "r"))
    part = type(EVERYTHING)(EVERYTHING.indices[:3], EVERYTHING.turns[:3], 4)
    with pytest.raises(MalformedError, match="every coordinate"):
        nobody.train(Assignment(POINTS[0], NOISY, part, SeededRandomness(b""), "r"))
    with pytest.raises(MalformedError, match="does not fit by round 90"):  # this band's noise grows by 1.6 a round
        _noise().at(90, (1_000_000, -1_000_000), STD, 4)
    with pytest.raises(MalformedError, match="secret"):
        trainer_for(TINY, examples_of((0,))).train(Assignment(POINTS[0], NOISY, EVERYTHING, SeededRandomness(b""), "r"))
