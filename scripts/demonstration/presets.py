"""Settings that are known to work; ``python -m scripts.evaluate.learning`` prints what they reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from backend.drafting.kinds import appliance_types, digits
from client_agent.data.power_windows import LAGS as HOURS
from client_agent.data.power_windows import TWICE_MICRO
from client_agent.data.traffic import LAGS
from protocol.messages.learning import (
    MICRO,
    BayesianTerms,
    EncodingTerms,
    Layer,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    QuantiserTerms,
    ServerTerms,
    SparsityTerms,
)
from protocol.messages.task import PrivacyTerms, ReputationTerms, RewardTerms
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.spending import spent

DIGITS_NOISE_MICRO = 3_450_000
MNIST_EXAMPLES = 6_000
NEXT_HOUR_EXAMPLES = 780
TRAFFIC_EXAMPLES = 29_000

NOISE_STEP_MICRO = 20_000

# Of the demonstration: 40 % of the contribution for a new address, all of it after three accepted updates.
DEMO_REPUTATION = ReputationTerms(initial=2, floor=2, maximum=5, waiting_rounds=2)
DEMO_REWARDS = RewardTerms(
    participation=6 * 10**11,
    contribution=4 * 10**11,
    target_gain_ppm=50_000,
    edge_fee=5 * 10**11,
    authority_fee=10**11,
)


@dataclass(frozen=True, slots=True)
class Preset:
    """What a data set is learned with. ``training_seconds``: a phone refuses when it may need more than half."""

    title: str
    terms: Callable[[], tuple[ModelSpec, LearningTerms, PrivacyTerms]]
    training_seconds: int
    max_examples: int


def digits_terms() -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    """8 x 8 digits: every trained example in the one step of a round; epsilon 3.96 after ten rounds.

    A tenth is held out, so that each household knows its Bayesian figure. There is one rung: at this clip each gradient
    of the first model is cut, so held-out examples could not tell two rungs apart, and choosing would cost epsilon.
    """
    kind = digits()
    learning = replace(
        _with_noise(kind.learning, DIGITS_NOISE_MICRO),
        bayesian=BayesianTerms(
            epsilon_micro=4 * MICRO, delta_exponent=5, held_out_ppm=100_000, rungs_micro=(DIGITS_NOISE_MICRO,)
        ),
    )
    privacy = PrivacyTerms(epsilon_budget_micro=8 * MICRO, delta_exponent=5, accountant=PrivacyLoss.name)
    return kind.model, learning, privacy


def mnist_terms() -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    """28 x 28 digits, 6,000 for each household: ten steps a round on a tenth; epsilon 0.91 after twenty rounds."""
    gradients = Layer("oriented_gradients", {"cell": 8, "stride": 4, "padding": 2, "scale": 255})
    model = ModelSpec((1, 28, 28), 10, (gradients, Layer("linear", {"outputs": 10, "bias": 0})))
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


def appliances_terms() -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    """Type of an appliance from the mean and the highest of an hour's power: little is learned that needs more noise
    than a household can spare. ``hearth evaluate appliances`` says what a network makes of it without noise."""
    kind = appliance_types()
    privacy = PrivacyTerms(epsilon_budget_micro=8 * MICRO, delta_exponent=5, accountant=PrivacyLoss.name)
    return kind.model, _with_noise(kind.learning, 4 * MICRO), privacy


def next_hour_terms() -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    """Power of an appliance in the next hour from the last twelve; right where neither is more than twice the other.

    Most hours are like the one before, so that nothing changes is hard to beat by this count.
    """
    layers = (Layer("gru", {"units": 8}), Layer("linear", {"outputs": 1, "bias": 1}))
    learning = LearningTerms(
        mechanism=MechanismTerms(
            local_steps=20, sampling_rate_ppm=100_000, clip_micro=300_000, noise_multiplier_micro=3 * MICRO
        ),
        optimiser=OptimiserTerms(learning_rate_micro=MICRO, reference_count=NEXT_HOUR_EXAMPLES),
        sparsity=SparsityTerms(density_ppm=MICRO, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=8 * MICRO, bits=16),
        encoding=EncodingTerms(packing=2),
        server=ServerTerms("momentum", momentum_micro=500_000),
    )
    privacy = PrivacyTerms(epsilon_budget_micro=8 * MICRO, delta_exponent=5, accountant=PrivacyLoss.name)
    return ModelSpec((HOURS, 1), 1, layers, tolerance_micro=TWICE_MICRO), learning, privacy


def traffic_terms() -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    """Speed of a road in five minutes from the hour before; right within 5 % of the span between slow and fast."""
    layers = (Layer("gru", {"units": 16}), Layer("linear", {"outputs": 1, "bias": 1}))
    learning = LearningTerms(
        mechanism=MechanismTerms(
            local_steps=20, sampling_rate_ppm=5_000, clip_micro=300_000, noise_multiplier_micro=MICRO
        ),
        optimiser=OptimiserTerms(learning_rate_micro=MICRO // 2, reference_count=TRAFFIC_EXAMPLES),
        sparsity=SparsityTerms(density_ppm=MICRO, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=8 * MICRO, bits=16),
        encoding=EncodingTerms(packing=2),
        server=ServerTerms("momentum", momentum_micro=500_000),
    )
    privacy = PrivacyTerms(epsilon_budget_micro=MICRO, delta_exponent=5, accountant=PrivacyLoss.name)
    return ModelSpec((LAGS, 1), 1, layers, tolerance_micro=50_000), learning, privacy


def with_enough_noise(learning: LearningTerms, privacy: PrivacyTerms, rounds: int) -> LearningTerms:
    """The same settings with as much more noise, on every rung, as keeps ``rounds`` rounds within the budget."""
    while spent({learning.mechanism: rounds}, learning, privacy).epsilon_micro > privacy.epsilon_budget_micro:
        noise, bayesian = learning.mechanism.noise_multiplier_micro + NOISE_STEP_MICRO, learning.bayesian
        learning = replace(
            learning,
            mechanism=replace(learning.mechanism, noise_multiplier_micro=noise),
            bayesian=replace(bayesian, rungs_micro=tuple(rung + NOISE_STEP_MICRO for rung in bayesian.rungs_micro)),
        )
    return learning


def _with_noise(learning: LearningTerms, noise_micro: int) -> LearningTerms:
    return replace(learning, mechanism=replace(learning.mechanism, noise_multiplier_micro=noise_micro))


PRESETS: Final[Mapping[str, Preset]] = {
    "digits": Preset("Which digit is it? (digits)", digits_terms, 1, 1_500),
    "mnist": Preset("Which handwritten digit is it? (mnist)", mnist_terms, 4, MNIST_EXAMPLES),
    "appliances": Preset("Which appliance is it, by its power? (appliances)", appliances_terms, 2, 4_000),
    "next-hour": Preset("How much power will it need in the next hour? (next-hour)", next_hour_terms, 4, 4_000),
    "traffic": Preset("How fast is the road in five minutes? (traffic)", traffic_terms, 4, 40_000),
}
