"""The terms under which each mechanism is audited, with as little noise as its claim allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from protocol.messages.charge import Charge
from protocol.messages.learning import (
    MICRO,
    BayesianTerms,
    EncodingTerms,
    LearningTerms,
    MechanismTerms,
    OptimiserTerms,
    QuantiserTerms,
    SparsityTerms,
)
from protocol.messages.task import PrivacyTerms
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.spending import spent

CLAIM: Final = 2.0  # epsilon, at most
DELTA_EXPONENT: Final = 5
_PRIVACY: Final = PrivacyTerms(
    epsilon_budget_micro=100 * MICRO, delta_exponent=DELTA_EXPONENT, accountant=PrivacyLoss.name
)
_STEP: Final = 20_000  # millionths of noise multiplier


def charge(learning: LearningTerms, rounds: int) -> Charge:
    """What the product says that the rounds cost."""
    return spent({learning.mechanism: rounds}, learning, _PRIVACY)


def claimed(learning: LearningTerms, rounds: int, most: float = CLAIM) -> LearningTerms:
    """With the least noise, in steps of 0.02, that claims ``most`` or less."""

    def with_noise(steps: int) -> LearningTerms:
        return scaled(learning, steps * _STEP)

    low, high = 5, 50_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if charge(with_noise(middle), rounds).epsilon <= most else (middle, high)
    return with_noise(high)


def scaled(learning: LearningTerms, noise_micro: int) -> LearningTerms:
    """With this noise multiplier, and rungs as far above it as they were."""
    before, bayesian = learning.mechanism.noise_multiplier_micro, learning.bayesian
    return replace(
        learning,
        mechanism=replace(learning.mechanism, noise_multiplier_micro=noise_micro),
        bayesian=replace(bayesian, rungs_micro=tuple(rung * noise_micro // before for rung in bayesian.rungs_micro)),
    )


def without_noise(learning: LearningTerms) -> LearningTerms:
    """Nor rungs of it, for which examples would be held out."""
    mechanism = replace(learning.mechanism, noise_multiplier_micro=0)
    return replace(learning, mechanism=mechanism, bayesian=BayesianTerms())


def dense(mechanism: MechanismTerms) -> LearningTerms:
    """Everything is sent, in 16 bits; a step is so short that no canary's gradient falls below the clip."""
    return LearningTerms(
        mechanism=mechanism,
        optimiser=OptimiserTerms(learning_rate_micro=5 * MICRO, reference_count=144),
        sparsity=SparsityTerms(density_ppm=MICRO, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=4 * MICRO, bits=16),
        encoding=EncodingTerms(packing=2),
    )


def sparse(learning: LearningTerms) -> LearningTerms:
    """A quarter of the model in each round, which makes up for it."""
    return replace(learning, sparsity=SparsityTerms(density_ppm=MICRO // 4, scale_micro=4 * MICRO))
