"""The public grid: what its steps mean, and that nothing sent on it can be cut off."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.privacy.noise import rounded_gaussian
from protocol.encryption.port import largest_value
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, QuantiserTerms
from protocol.sparse.grid import FINENESS, clip_of, divisor_of, largest_sum, noise_of, step_of, units_of_clip
from protocol.sparse.quantization import dequantise, fitting, meaning
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import LINEAR, TERMS, some
from tests.unit.client_agent.test_noise import Given

PART = some(LINEAR, np.arange(0, 39, 4))  # ten of 39


@given(count=st.integers(1, 10**7))
def test_rounding_takes_less_than_a_thousandth_of_the_clip(count: int) -> None:
    units = units_of_clip(count)
    assert count * FINENESS**2 <= units**2
    assert (units // FINENESS - 1) ** 2 < count  # and no finer than that needs


def test_a_step_is_what_the_server_and_the_phone_make_of_one() -> None:
    learning = with_terms(
        TERMS, clip_micro=300_000, learning_rate_micro=7 * MICRO, reference_count=144, sampling_rate_ppm=250_000
    )
    assert clip_of(learning.mechanism, PART) == pytest.approx(0.3 * (10 / 39) ** 0.5)
    assert divisor_of(learning) == 36
    assert divisor_of(with_terms(learning, separation=3)) == 12  # a third of them in a round
    assert noise_of(learning, 10) == Fraction(2 * 4 * FINENESS)
    assert step_of(learning, PART) * units_of_clip(10) == pytest.approx(7 * clip_of(learning.mechanism, PART) / 36)


@pytest.mark.parametrize(("kind", "step"), [("distributed", step_of(TERMS, PART)), ("example", 10 / 32_767)])
def test_sums_mean_steps_of_the_grid_only_where_the_grid_is_sent(kind: str, step: float) -> None:
    sums = np.array([-7, 0, 1, 40_000])
    learning = with_terms(TERMS, kind=kind)
    assert meaning(sums, learning, PART).tolist() == pytest.approx([-7 * step, 0, step, 40_000 * step])
    if kind == "example":
        assert np.array_equal(meaning(sums, learning, PART), dequantise(sums, learning.quantiser))


def test_no_number_that_is_sent_is_beyond_the_largest() -> None:
    """All examples at the clip in one coordinate, and the furthest draw that there is."""
    learning, count = with_terms(TERMS, noise_multiplier_micro=3_450_000), 10
    (furthest,) = rounded_gaussian(noise_of(learning, count), 1, Given([0], 0).draw, "one")
    assert furthest > 13 * noise_of(learning, count)
    most = 50 * units_of_clip(count) + int(furthest)
    assert most <= largest_sum(learning, count, 50) < 1.1 * most


def test_the_noisiest_rung_counts() -> None:
    rungs = with_terms(
        TERMS, epsilon_micro=MICRO, held_out_ppm=100_000, rungs_micro=(2 * MICRO, 9 * MICRO), default_rung=0
    )
    assert largest_sum(rungs, 10, 5) == largest_sum(with_terms(TERMS, noise_multiplier_micro=9 * MICRO), 10, 5)


@pytest.mark.parametrize("bits", [2, 16, 30])
def test_integers_of_the_grid_are_checked_and_never_changed(bits: int) -> None:
    quantiser, most = QuantiserTerms(bound_micro=1, bits=bits), largest_value(bits)
    values = np.array([-most, 0, most])
    assert fitting(values, quantiser).tolist() == [-most, 0, most]
    for beyond in (most + 1, -most - 1):
        with pytest.raises(MalformedError, match=f"{bits} bits"):
            fitting(np.array([beyond]), quantiser)
