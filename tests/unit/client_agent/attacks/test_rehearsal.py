"""An attack on updates like the phone's finds all members without noise, and with noise what theory lets it find."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.attacks.rehearsal import Rehearsal, Start, can_rehearse
from client_agent.attacks.statistics import Share, most_right, of_rehearsals
from protocol.identifiers import sha256
from protocol.messages.learning import MICRO, BayesianTerms, LearningTerms
from protocol.model.dataset import decode_examples
from protocol.model.initialization import initial_parameters
from protocol.privacy.spending import spent
from protocol.randomness import Randomness, SeededRandomness
from protocol.sparse.index_set import select
from scripts.demonstration.data import households_of
from scripts.demonstration.presets import DIGITS_NOISE_MICRO, digits_terms
from tests.samples import with_terms

MODEL, DEMO, PRIVACY = digits_terms()
PLAIN = replace(DEMO, bayesian=BayesianTerms())
EXAMPLES = decode_examples(households_of("digits", 10).households[0])
REHEARSALS = 12


def drawn_body(values: npt.NDArray[np.int64], randomness: Randomness) -> bytes:
    return randomness.draw("body", 8 * len(values))


def attacked(learning: LearningTerms, rounds: int = 1, seed: bytes = b"attack") -> tuple[Share, Share]:
    """By who opened the updates, and by who saw the last one as it is sent."""
    point = initial_parameters(MODEL)
    starts = [Start(point, learning, select(sha256(b"task"), MODEL, learning, number + 1)) for number in range(rounds)]
    rehearsal = Rehearsal(MODEL, EXAMPLES, starts, drawn_body, SeededRandomness(seed))
    played = [rehearsal.play(number) for number in range(REHEARSALS)]
    opened = of_rehearsals([one.right(one.opened) for one in played])
    return opened, of_rehearsals([one.right(one.sealed) for one in played])


def test_without_noise_every_member_is_found() -> None:
    opened, sealed = attacked(with_terms(PLAIN, noise_multiplier_micro=1))
    assert opened.right > 0.999
    assert sealed.low <= 0.5 <= sealed.high


@pytest.mark.parametrize("rounds", [1, 3])
def test_with_the_demonstrations_noise_it_reaches_what_theory_says_and_the_bound_holds(rounds: int) -> None:
    """All gradients are cut to the clip: two normal distributions whose distance is one over the noise, a round."""
    opened, sealed = attacked(DEMO, rounds)
    theory = NormalDist().cdf(rounds**0.5 * MICRO / DIGITS_NOISE_MICRO / 2)
    assert opened.low <= theory <= opened.high
    assert opened.low > 0.5 and opened.high - opened.low < 0.2
    assert opened.low <= most_right(spent({DEMO.mechanism: rounds}, DEMO, PRIVACY).figure)
    assert sealed.low <= 0.5 <= sealed.high


def test_less_noise_than_is_claimed_is_found_out() -> None:
    opened, _ = attacked(with_terms(PLAIN, noise_multiplier_micro=DIGITS_NOISE_MICRO // 8))
    assert opened.low > most_right(spent({DEMO.mechanism: 1}, DEMO, PRIVACY).figure)


def test_several_steps_on_samples_are_taken_together() -> None:
    sampled = with_terms(PLAIN, noise_multiplier_micro=1, local_steps=3, sampling_rate_ppm=MICRO // 2)
    opened, _ = attacked(sampled)
    assert opened.low > 0.55


def test_grid_integers_are_attacked_too() -> None:
    grid = with_terms(PLAIN, kind="distributed", noise_multiplier_micro=1, bits=32, packing=1)
    opened, _ = attacked(grid)
    assert opened.right > 0.999


def test_what_protects_something_else_is_not_attacked() -> None:
    assert can_rehearse(DEMO.mechanism)
    for changes in ({"unit": "appliance"}, {"kind": "client", "unit": "household"}, {"kind": "correlated"}):
        assert not can_rehearse(with_terms(PLAIN, **changes).mechanism)
