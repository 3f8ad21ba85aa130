"""What is learned and how: the model, its private training, and how the cohort's updates move it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from protocol.errors import SpecError
from protocol.identifiers import Count, Range

MICRO = 1_000_000  # fixed-point denominator of every field that ends in ``_micro``

ShortText = Annotated[str, Range(1, 120)]
Micro = Annotated[int, Range(1, 2**40)]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer by name with integer arguments; ``protocol.model.specification`` lists what is allowed."""

    kind: ShortText
    arguments: dict[str, int]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A feed-forward model as data: no code, nothing to unpickle.

    With one class the score is a number: a label is one, too, and the score is right within ``tolerance`` of it.
    """

    input_shape: Annotated[tuple[Count, ...], Range(1, 4)]
    classes: Annotated[int, Range(1, 10_000)]
    layers: Annotated[tuple[Layer, ...], Range(1, 64)]
    tolerance_micro: Annotated[int, Range(0, 2**40)] = 0  # 0 with two classes or more

    @property
    def predicts_number(self) -> bool:
        return self.classes == 1

    def __post_init__(self) -> None:
        if self.predicts_number != (self.tolerance_micro > 0):
            raise SpecError("model.tolerance", "belongs to a model with one class, whose score is a number")


@dataclass(frozen=True, slots=True)
class MechanismTerms:
    """The releases of one round, all that an accountant reads; ``protocol.privacy.mechanisms`` lists the kinds.

    ``example``: each local step samples every unit with rate q, clips the gradient of each to the L2 norm ``clip`` and
    adds noise of standard deviation ``noise_multiplier * clip`` to every coordinate of their sum (Abadi et al. 2016).
    ``unit`` is ``example``, or ``appliance``: all examples of one, of which a step takes ``unit_examples`` at most.
    ``client``: the whole update is clipped, and noise added to it once; its unit is the ``household``.
    ``distributed``: one step, whose noise is this client's share of what the sum needs.
    ``correlated``: one step without sampling, whose noise takes part of that of earlier rounds back.
    ``features``: paper B's Laplace noise on normalised features, ``noise_multiplier`` times their sensitivity in scale.
    """

    local_steps: Annotated[int, Range(1, 10_000)]
    sampling_rate_ppm: Annotated[int, Range(1, 1_000_000)]  # q
    clip_micro: Micro
    noise_multiplier_micro: Annotated[int, Range(0, 2**40)]  # 0 only in tests: the accountant then refuses a figure
    kind: ShortText = "example"
    unit: ShortText = "example"
    unit_examples: Annotated[int, Range(1, 10_000)] = 1
    honest_clients: Annotated[int, Range(1, 10_000)] = 1  # ``distributed``: whose noise counts, assumed to be honest
    least_weight_ppm: Annotated[int, Range(1, 1_000_000)] = 1_000_000  # ``distributed``: of one, against the largest
    separation: Annotated[int, Range(1, 100_000)] = 1  # ``correlated``: rounds from one use of an example to the next
    # ``correlated``: below the diagonal of a banded Toeplitz matrix whose diagonal is one
    band_micro: Annotated[tuple[Annotated[int, Range(-1_000_000, 1_000_000)], ...], Range(0, 64)] = ()


@dataclass(frozen=True, slots=True)
class OptimiserTerms:
    """How a local step moves the model: minus ``learning_rate`` times the noisy sum, divided by q * reference_count.

    The divisor is public, never the client's own count: so a delta is in proportion to its client's data, and that
    weight is released by nobody.
    """

    learning_rate_micro: Micro
    reference_count: Annotated[int, Range(1, 2**32 - 1)]  # n_ref: typical examples per client
    class_weights_micro: Annotated[tuple[Micro, ...], Range(0, 10_000)] = ()  # of the loss; none: all are one


@dataclass(frozen=True, slots=True)
class BayesianTerms:
    """Local Bayesian differential privacy: what a phone aims at for examples like its own; public, all of it.

    Each example is held out by a coin of its own, so that the rest can be accounted for with it. The rungs are noise
    multipliers, all at or above the mechanism's, which is the floor. Every phone uses the default rung; where
    ``selection_epsilon`` is not 0, it chooses one, once, by the exponential mechanism, and that is charged.
    """

    epsilon_micro: Annotated[int, Range(0, 2**40)] = 0  # the target; 0: there is none
    delta_exponent: Annotated[int, Range(3, 15)] = 5
    held_out_ppm: Annotated[int, Range(0, 500_000)] = 0
    rungs_micro: Annotated[tuple[Micro, ...], Range(0, 16)] = ()  # ascending
    default_rung: Annotated[int, Range(0, 15)] = 0
    selection_epsilon_micro: Annotated[int, Range(0, 2**40)] = 0

    def __post_init__(self) -> None:
        if not self.epsilon_micro:
            if self.held_out_ppm or self.rungs_micro or self.default_rung or self.selection_epsilon_micro:
                raise SpecError("learning.bayesian.epsilon", "is 0, so nothing else of the table means anything")
            return
        if not self.held_out_ppm:
            raise SpecError("learning.bayesian.held_out", "is 0: without held-out examples no figure can be computed")
        if list(self.rungs_micro) != sorted(set(self.rungs_micro)) or not self.rungs_micro:
            raise SpecError("learning.bayesian.rungs", "are one or more, each above the one before")
        if self.default_rung >= len(self.rungs_micro):
            raise SpecError(
                "learning.bayesian.default_rung",
                f"{self.default_rung} counts from 0, and there are {len(self.rungs_micro)} rungs",
            )


@dataclass(frozen=True, slots=True)
class ServerTerms:
    """How the model moves by the cohort's mean update; ``protocol.model.step`` lists the kinds.

    ``mean``: by ``rate`` times it (FedAvg). ``momentum``: by ``rate`` times m = ``momentum`` * m + it. ``adam``: Reddi
    et al. 2021, with ``momentum`` and ``second_moment`` as decay rates and ``stability`` below the fraction.
    """

    kind: ShortText = "mean"
    rate_micro: Micro = MICRO
    momentum_micro: Annotated[int, Range(0, 999_999)] = 0
    second_moment_micro: Annotated[int, Range(0, 999_999)] = 0
    stability_micro: Micro = 1_000


@dataclass(frozen=True, slots=True)
class SparsityTerms:
    """Which coordinates a round sends; ``protocol.sparse.index_set`` is the rule.

    ``scale`` makes up for the rounds in which a coordinate was not sent. With one local step it is the number of rounds
    between two turns; with several the learning rate makes up for them, and the scale is 1: more would overshoot.
    """

    density_ppm: Annotated[int, Range(1, 1_000_000)]  # share of coordinates in a round's index set
    scale_micro: Annotated[int, Range(1, 1_000_000_000_000)]  # of the model's step at coordinates that take turns


@dataclass(frozen=True, slots=True)
class QuantiserTerms:
    """Real coordinates to integers in +-(2^(bits-1) - 1), which stand for [-bound, bound]."""

    bound_micro: Micro
    bits: Annotated[int, Range(2, 30)]


@dataclass(frozen=True, slots=True)
class EncodingTerms:
    """How the encryption suite packs the quantiser's integers."""

    # FE64-A/1: coordinates per 64-bit ciphertext word (k), 1 to 4. PAD/1: bytes per coordinate (w), 4 or 6
    packing: Annotated[int, Range(1, 6)]


@dataclass(frozen=True, slots=True)
class LearningTerms:
    """One client's work in one round; each step of it reads its own part alone."""

    mechanism: MechanismTerms
    optimiser: OptimiserTerms
    sparsity: SparsityTerms
    quantiser: QuantiserTerms
    encoding: EncodingTerms
    bayesian: BayesianTerms = BayesianTerms()
    server: ServerTerms = ServerTerms()

    @property
    def noise_multiplier_micro(self) -> int:
        """Of every step: the default rung's, or the mechanism's where there are no rungs. A trainer uses this one."""
        rungs = self.bayesian.rungs_micro
        return rungs[self.bayesian.default_rung] if rungs else self.mechanism.noise_multiplier_micro

    def on_rung(self, rung: int) -> LearningTerms:
        """The same with the noise of another one of the rungs."""
        return replace(self, bayesian=replace(self.bayesian, default_rung=rung))

    def __post_init__(self) -> None:
        if self.bayesian.rungs_micro and self.bayesian.rungs_micro[0] < self.mechanism.noise_multiplier_micro:
            raise SpecError(
                "learning.bayesian.rungs",
                f"{self.bayesian.rungs_micro[0] / MICRO:g} is below the floor, which is noise_multiplier"
                f" {self.mechanism.noise_multiplier_micro / MICRO:g}",
            )
