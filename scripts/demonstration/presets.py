"""Settings that are known to work; ``python -m scripts.evaluate.learning`` prints what they reach."""

from __future__ import annotations

from dataclasses import replace

from protocol.messages.task import (
    MICRO,
    EncodingTerms,
    Layer,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    PrivacyTerms,
    QuantiserTerms,
    ReputationTerms,
    RewardTerms,
    SparsityTerms,
)
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.spending import spent

DIGITS_EXAMPLES = 144  # of a typical household in the demonstration
MNIST_EXAMPLES = 6_000

# Of the demonstration: 40 % of the contribution for a new address, all of it after three accepted updates.
DEMO_REPUTATION = ReputationTerms(initial=2, floor=2, maximum=5, waiting_rounds=2)
DEMO_REWARDS = RewardTerms(
    participation=6 * 10**11,
    contribution=4 * 10**11,
    target_gain_ppm=50_000,
    edge_fee=5 * 10**11,
    authority_fee=10**11,
)


def digits_terms() -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    """8 x 8 digits: every example in the one step of a round; epsilon 3.96 after ten rounds."""
    model = _linear_on_gradients(8, Layer("oriented_gradients", {"cell": 2, "stride": 1, "padding": 0, "scale": 16}))
    learning = LearningTerms(
        mechanism=MechanismTerms(
            local_steps=1, sampling_rate_ppm=MICRO, clip_micro=300_000, noise_multiplier_micro=3_450_000
        ),
        optimiser=OptimiserTerms(learning_rate_micro=120 * MICRO, reference_count=DIGITS_EXAMPLES),
        sparsity=SparsityTerms(density_ppm=250_000, scale_micro=4 * MICRO),
        quantiser=QuantiserTerms(bound_micro=40 * MICRO, bits=16),
        encoding=EncodingTerms(packing=2),
    )
    return model, learning, PrivacyTerms(epsilon_budget_micro=8 * MICRO, delta_exponent=5, accountant=PrivacyLoss.name)


def mnist_terms() -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    """28 x 28 digits, 6,000 for each household: ten steps a round on a tenth; epsilon 0.91 after twenty rounds."""
    model = _linear_on_gradients(28, Layer("oriented_gradients", {"cell": 8, "stride": 4, "padding": 2, "scale": 255}))
    learning = LearningTerms(
        mechanism=MechanismTerms(
            local_steps=10, sampling_rate_ppm=100_000, clip_micro=200_000, noise_multiplier_micro=5_900_000
        ),
        optimiser=OptimiserTerms(learning_rate_micro=800 * MICRO, reference_count=MNIST_EXAMPLES),
        sparsity=SparsityTerms(density_ppm=250_000, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=40 * MICRO, bits=16),
        encoding=EncodingTerms(packing=2),
    )
    return model, learning, PrivacyTerms(epsilon_budget_micro=MICRO, delta_exponent=5, accountant=PrivacyLoss.name)


def with_enough_noise(learning: LearningTerms, privacy: PrivacyTerms, rounds: int) -> LearningTerms:
    """The same settings with as much more noise as keeps ``rounds`` rounds within the budget."""
    mechanism = learning.mechanism
    while spent(mechanism, privacy, rounds).epsilon_micro > privacy.epsilon_budget_micro:
        mechanism = replace(mechanism, noise_multiplier_micro=mechanism.noise_multiplier_micro + 20_000)
    return replace(learning, mechanism=mechanism)


def _linear_on_gradients(side: int, gradients: Layer) -> ModelSpec:
    return ModelSpec((1, side, side), 10, (gradients, Layer("linear", {"outputs": 10, "bias": 0})))
