"""Mechanism ``distributed``: integers of one public grid, and nothing that is not linear after the noise."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.training.aggregated import Aggregated
from client_agent.training.dp_sgd import DpSgd, NoExamples
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO
from protocol.model.layout import PARAMETER_BOUND
from protocol.model.step import apply_step
from protocol.model.trained import TrainedModel
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.sparse.grid import step_of, units_of_clip
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import LINEAR, Recorder, everything, gradients_of, point_of, some
from tests.unit.client_agent.scene_tiny import POINTS, TERMS, examples_of, households, square, trained

DISTRIBUTED = with_terms(TERMS, kind="distributed", bits=30, noise_multiplier_micro=3 * MICRO)
QUIET = with_terms(DISTRIBUTED, noise_multiplier_micro=0)
START, NOBODY = np.zeros(39, dtype=np.float32), Aggregated(NoExamples())


def test_one_example_of_any_tiny_household_moves_the_integers_by_at_most_the_clip() -> None:
    """Exhaustive: every household, whoever leaves it, every point."""
    longest, most = 0, units_of_clip(4) ** 2
    for household, point in product(households(3), POINTS):
        sums = [trained(examples_of(h), QUIET, point).whole for h in _and_neighbours(household)]
        for other in sums[1:]:
            assert sums[0] is not None
            assert other is not None
            longest = max(longest, square([int(one) for one in sums[0] - other]))
    assert 0.998**2 * most < longest <= most


def _and_neighbours(household: tuple[int, ...]) -> list[tuple[int, ...]]:
    """It, and each with one example less that is not empty."""
    less = [household[:place] + household[place + 1 :] for place in range(len(household))]
    return [household, *(one for one in less if one)]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    std=st.sampled_from([MICRO // 1_000, MICRO, 800 * MICRO]),
    at=st.sampled_from([0.0, 1.0]),
)
def test_what_is_sent_is_sum_plus_noise_to_the_last_integer(seed: int, std: int, at: float) -> None:
    """Also at the bound of parameters, where a phone that kept to it would cut one of two directions off."""
    learning, sent = with_terms(DISTRIBUTED, noise_multiplier_micro=std), some(LINEAR, np.arange(0, 39, 2))
    start, gradients = np.full(39, at * PARAMETER_BOUND, dtype=np.float32), gradients_of(LINEAR, 9, seed)
    values = {
        name: prepare_update(Aggregated(sums), Assignment(start, terms, sent, SeededRandomness(b"n"), f"{seed}")).values
        for name, sums, terms in (
            ("both", gradients, learning),
            ("noise", NoExamples(), learning),
            ("sum", gradients, with_terms(learning, noise_multiplier_micro=0)),
        )
    }
    assert values["noise"].any()
    assert np.array_equal(values["both"], values["noise"] + values["sum"])


def test_nothing_is_drawn_but_the_sample_and_the_noise() -> None:
    recorder = Recorder(b"recorder")
    prepare_update(
        Aggregated(gradients_of(LINEAR, 5, 1)), Assignment(START, DISTRIBUTED, everything(LINEAR), recorder, "r")
    )
    assert recorder.drawn == [("r/sample/0", 40), ("r/noise/0/upper", 8 * 39)]


def test_the_model_moves_as_by_one_step_of_all_households_together() -> None:
    """Two phones' integers, weighted and summed, against one sum of gradients in float64."""
    sent, point, weights = some(LINEAR, np.arange(0, 39, 2)), point_of(LINEAR, 0.01).astype(np.float32), (2, 5)
    phones = [gradients_of(LINEAR, 7, seed) for seed in (1, 2)]
    sums = np.zeros(len(sent.indices), dtype=np.int64)
    for weight, gradients in zip(weights, phones, strict=True):
        sums += (
            weight
            * prepare_update(Aggregated(gradients), Assignment(point, QUIET, sent, SeededRandomness(b"x"), "r")).values
        )
    after = apply_step(TrainedModel(point), sent, sums, sum(weights), QUIET).parameters
    alone = [
        DpSgd(gradients).train(Assignment(point, QUIET, sent, SeededRandomness(b"x"), "r")).delta
        for gradients in phones
    ]
    mean = sum(weight * delta for weight, delta in zip(weights, alone, strict=True)) / sum(weights)
    np.testing.assert_allclose(after[sent.indices] - point[sent.indices], mean, atol=1e-6)
    assert np.abs(mean).max() > 1e-3


def test_the_noise_of_many_phones_adds_up_in_the_sum() -> None:
    learning = with_terms(DISTRIBUTED, noise_multiplier_micro=MICRO // 2)
    wide = some(LINEAR, np.arange(39))
    phones, sums = 400, np.zeros(39)
    for phone in range(phones):
        randomness = SeededRandomness(b"phones").fork(f"{phone}")
        sums += prepare_update(NOBODY, Assignment(START, learning, wide, randomness, "r")).values
    expected = 0.5 * units_of_clip(39) * phones**0.5
    assert np.sqrt((sums**2).mean()) == pytest.approx(expected, rel=4 / np.sqrt(2 * 39))


def test_delta_and_evidence_are_those_of_one_step() -> None:
    sent, point = some(LINEAR, np.arange(0, 39, 2)), START
    gradients = gradients_of(LINEAR, 9, 1)
    one = Aggregated(gradients).train(Assignment(point, QUIET, sent, SeededRandomness(b"x"), "r"))
    other = DpSgd(gradients).train(Assignment(point, QUIET, sent, SeededRandomness(b"x"), "r"))
    np.testing.assert_allclose(one.delta, other.delta, rtol=1e-9, atol=1e-12)
    assert one.evidence == other.evidence
    assert one.whole is not None
    assert np.array_equal(one.delta, one.whole * step_of(QUIET, sent))
    assert other.whole is None


def test_several_local_steps_are_refused() -> None:
    twice = with_terms(DISTRIBUTED, local_steps=2)
    with pytest.raises(MalformedError, match="2 local steps"):
        NOBODY.train(Assignment(START, twice, everything(LINEAR), SeededRandomness(b""), "r"))


def test_integers_that_do_not_fit_are_never_cut() -> None:
    few = with_terms(DISTRIBUTED, bits=8)
    with pytest.raises(MalformedError, match="8 bits"):
        prepare_update(NOBODY, Assignment(START, few, everything(LINEAR), SeededRandomness(b""), "r"))
