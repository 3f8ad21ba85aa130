"""Each mechanism under audit: how it is set up, and what one run of it refutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import (
    MICRO,
    BayesianTerms,
    LearningTerms,
    MechanismTerms,
    OptimiserTerms,
    QuantiserTerms,
)
from protocol.privacy.mechanisms import releases_of
from protocol.privacy.spending import CLASSICAL
from scripts.evaluate.attacks import f_dp, one_run
from scripts.evaluate.attacks.audited_terms import DELTA_EXPONENT, charge, claimed, dense, sparse, without_noise
from scripts.evaluate.attacks.canaries import scene, scores
from scripts.evaluate.attacks.feature_numbers import BATCH, number_scores
from scripts.evaluate.attacks.household_canaries import household_scores
from scripts.evaluate.attacks.one_run import Guesses, guess
from scripts.evaluate.attacks.rung_canaries import rung_scores

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Scored = tuple[Reals, Flags]

DELTA: Final = 10.0**-DELTA_EXPONENT
FIRST_NOISE: Final = MICRO  # of terms whose noise is still to be found
ONE_STEP: Final = MechanismTerms(1, MICRO, MICRO, FIRST_NOISE)
EXPONENTS: Final = (1, 2, 3, 4, 5, 7, 9)  # of deltas at which a curve is known
SCALES: Final = 24  # steps of less noise: each has 0.87 of it
_SCALE: Final = 2.0**0.2


@dataclass(frozen=True)
class Size:
    """``canaries``, of which as many as ``ends`` are guessed to be in and as many out."""

    canaries: int
    ends: int
    rounds: int


@dataclass(frozen=True)
class Audit:
    """``terms``: before the noise is chosen. ``score``: each canary's score and coin. ``bound``: f-DP form of it."""

    name: str
    terms: LearningTerms
    score: Callable[[LearningTerms, Size, int], Scored]
    bound: Callable[[Guesses, LearningTerms, int], float]

    def run(self, size: Size, noise: bool, seed: int) -> Mapping[str, Any]:
        """JSON values; the claim is that with noise in both cases. Both forms hold with 95 % each."""
        learning = claimed(self.terms, size.rounds)
        found = charge(learning, size.rounds)
        made = guess(*self.score(learning if noise else without_noise(learning), size, seed), size.ends, size.ends)
        return {
            "mechanism": self.name,
            "claimed": found.epsilon,
            "figure": str(found.figure),
            "noise_multiplier": learning.mechanism.noise_multiplier_micro / MICRO if noise else 0.0,
            "rounds": size.rounds,
            "canaries": made.canaries,
            "guesses": made.made,
            "right": made.right,
            "one_run": one_run.epsilon_below(made, DELTA),
            "f_dp": self.bound(made, learning, size.rounds),
        }


def area_allowed(learning: LearningTerms, rounds: int) -> float:
    """The largest area under a curve that noise alike in all directions allows, at a sampling rate of one."""
    mu = one_run.largest(lambda value: f_dp.epsilon_of(value, DELTA) < charge(learning, rounds).epsilon)
    return NormalDist().cdf(mu / 2.0**0.5)


def _gaussian(guesses: Guesses, learning: LearningTerms, rounds: int) -> float:
    return f_dp.epsilon_below(guesses, DELTA)


def _at_delta(guesses: Guesses, learning: LearningTerms, rounds: int) -> float:
    """Of whatever keeps an epsilon at DELTA."""
    return one_run.largest(lambda epsilon: f_dp.refuted(f_dp.approximate(((epsilon, DELTA),)), guesses))


def _pure(guesses: Guesses, learning: LearningTerms, rounds: int) -> float:
    return f_dp.pure_below(guesses)


def _sampled(guesses: Guesses, learning: LearningTerms, rounds: int) -> float:
    """By the accountant's own curves of the same mechanism with more and with less noise: epsilon of the least noise
    that is refuted, where all with more is, too."""
    mechanism, best = learning.mechanism, 0.0
    for step in range(-SCALES // 2, SCALES):
        noise = round(mechanism.noise_multiplier_micro / _SCALE**step)
        changed = replace(mechanism, noise_multiplier_micro=noise)
        pairs = _pairs(changed, rounds)
        if not f_dp.refuted(f_dp.approximate(pairs), guesses):
            break
        best = next(epsilon for epsilon, delta in pairs if delta == DELTA)
    return best


@lru_cache(maxsize=256)
def _pairs(mechanism: MechanismTerms, rounds: int) -> tuple[tuple[float, float], ...]:
    releases = releases_of(mechanism, rounds)
    return tuple((CLASSICAL.epsilon(releases, exponent), 10.0**-exponent) for exponent in EXPONENTS)


def _by_canaries(clients: int, windows: int = 1) -> Callable[[LearningTerms, Size, int], Scored]:
    def score(learning: LearningTerms, size: Size, seed: int) -> Scored:
        staged = scene(clients, size.canaries, seed, windows)
        return scores(staged, learning, size.rounds, seed), staged.included

    return score


def _by_households(learning: LearningTerms, size: Size, seed: int) -> Scored:
    return household_scores(learning, size.canaries, size.rounds, seed)


def _by_rungs(learning: LearningTerms, size: Size, seed: int) -> Scored:
    return rung_scores(learning, size.canaries, seed)


def _by_numbers(there: bool) -> Callable[[LearningTerms, Size, int], Scored]:
    def score(learning: LearningTerms, size: Size, seed: int) -> Scored:
        return number_scores(learning, size.canaries, seed, there)

    return score


def _wide(learning: LearningTerms) -> LearningTerms:
    return replace(learning, quantiser=QuantiserTerms(bound_micro=64 * MICRO, bits=30))


_FEATURES: Final = replace(
    _wide(dense(replace(ONE_STEP, kind="features", clip_micro=1_000 * MICRO))),
    optimiser=OptimiserTerms(learning_rate_micro=MICRO, reference_count=BATCH),
)
_CLIENT: Final = replace(
    dense(replace(ONE_STEP, kind="client", local_steps=3)),
    optimiser=OptimiserTerms(learning_rate_micro=5 * MICRO, reference_count=20),
)

_RUNGS: Final = BayesianTerms(
    epsilon_micro=3 * MICRO // 2,  # the first rung keeps no example within it that is at the clip, the second every one
    held_out_ppm=200_000,
    rungs_micro=(FIRST_NOISE, 2 * FIRST_NOISE),
    selection_epsilon_micro=MICRO // 2,
)

AUDITS: Final = (
    Audit("example", dense(ONE_STEP), _by_canaries(1), _gaussian),
    Audit("example, a quarter sent", sparse(dense(ONE_STEP)), _by_canaries(1), _gaussian),
    Audit(
        "example, sampled",
        dense(replace(ONE_STEP, local_steps=10, sampling_rate_ppm=300_000)),
        _by_canaries(1),
        _sampled,
    ),
    Audit(
        "example, unit appliance",
        dense(replace(ONE_STEP, unit="appliance", unit_examples=2)),
        _by_canaries(1, windows=3),
        _gaussian,
    ),
    Audit("example, own rung", replace(dense(ONE_STEP), bayesian=_RUNGS), _by_rungs, _at_delta),
    Audit("client", _CLIENT, _by_households, _gaussian),
    Audit(
        "distributed",
        _wide(dense(replace(ONE_STEP, kind="distributed", honest_clients=10))),
        _by_canaries(10),
        _gaussian,
    ),
    Audit(
        "correlated",
        dense(replace(ONE_STEP, kind="correlated", separation=2, band_micro=(500_000,))),
        _by_canaries(1),
        _gaussian,
    ),
    Audit("features, as the paper argues", _FEATURES, _by_numbers(there=False), _pure),
    Audit("features, against its claim", _FEATURES, _by_numbers(there=True), _pure),
)
