"""The cells of ``hearth evaluate attack``: under which terms each attack is tried, and how much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np

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
from scripts.demonstration.presets import digits_terms
from scripts.evaluate.attacks import impostor, property_inference, shadow_models
from scripts.evaluate.attacks.audited_terms import charge, claimed, without_noise
from scripts.evaluate.attacks.audits import FIRST_NOISE, Size, area_allowed
from scripts.evaluate.evaluation import Profile, Progress


@dataclass(frozen=True)
class Sizes:
    """``audits``: by name, where another than ``audit`` is needed. ``generators``: all, if there are none."""

    seeds: int
    audit: Size
    audits: Mapping[str, Size]
    membership: shadow_models.Effort
    property: property_inference.Effort
    generator_rounds: int
    generators: Sequence[str] = field(default=())


_ONE_BATCH: Final = Size(1_000, 100, 1)
SIZES: Final[Mapping[Profile, Sizes]] = {
    "small": Sizes(
        seeds=1,
        audit=Size(400, 100, 3),
        audits={
            "client": Size(400, 100, 1),
            "example, own rung": Size(400, 100, 1),
            "correlated": Size(400, 100, 4),
            "features, as the paper argues": _ONE_BATCH,
            "features, against its claim": _ONE_BATCH,
        },
        membership=shadow_models.Effort(models=24, rounds=10, households=1, examples=200),
        property=property_inference.Effort(rounds=2, victims=120, own=60),
        generator_rounds=14,
        generators=("nothing", "example"),
    ),
    "full": Sizes(
        seeds=3,
        audit=Size(2_000, 100, 5),
        audits={
            "client": Size(2_000, 100, 3),
            "example, own rung": Size(2_000, 100, 1),
            "correlated": Size(2_000, 100, 8),
            "distributed": Size(1_000, 100, 5),
            "features, as the paper argues": _ONE_BATCH,
            "features, against its claim": _ONE_BATCH,
        },
        membership=shadow_models.Effort(models=128, rounds=10, households=1, examples=200),
        property=property_inference.Effort(rounds=5, victims=1_000, own=300),
        generator_rounds=40,
    ),
}

MEMBERSHIPS: Final = ("nothing", "example", "example, epsilon 8")
PROPERTIES: Final = (
    "nothing",
    "nothing, sums only",
    "example",
    "client",
    "client, epsilon 1",
    "distributed, sums only",
    "correlated",
    "features",
)
GENERATORS: Final = (
    "nothing",
    "example",
    "example, epsilon 8",
    "client",
    "distributed, sums only",
    "correlated",
    "features",
)
SUMMED: Final = 10  # updates in a sum


def run_membership(name: str, sizes: Sizes, seed: int, progress: Progress) -> Mapping[str, Any]:
    """On the digits preset: ``nothing`` is the same terms without noise."""
    model, preset, _ = digits_terms()
    effort = sizes.membership
    typical = effort.examples // effort.households // 2
    terms = replace(
        preset,
        mechanism=replace(preset.mechanism, noise_multiplier_micro=FIRST_NOISE),
        optimiser=replace(preset.optimiser, reference_count=typical),
        bayesian=BayesianTerms(),
    )
    learning = _terms(name, terms, effort.rounds)
    made = shadow_models.shadows(model, learning, effort, seed, progress)
    return {
        **_claim(name, learning, effort.rounds),
        "accuracy": float(np.mean(made.accuracies)),
        "allowed": 1.0 if name == "nothing" else area_allowed(learning, effort.rounds),
        "variants": {variant: asdict(found) for variant, found in shadow_models.attack(made).items()},
    }


def run_property(name: str, sizes: Sizes, seed: int, progress: Progress) -> Mapping[str, Any]:
    """On the digits preset's model, all of it sent, by households of twenty digits."""
    model, preset, _ = digits_terms()
    terms = LearningTerms(
        mechanism=MechanismTerms(1, MICRO, 300_000, FIRST_NOISE),
        optimiser=OptimiserTerms(preset.optimiser.learning_rate_micro, property_inference.EXAMPLES),
        sparsity=SparsityTerms(MICRO, MICRO),
        quantiser=preset.quantiser,
        encoding=EncodingTerms(packing=2),
    )
    effort = sizes.property
    learning = _terms(name, terms, effort.rounds)
    view = property_inference.View(learning, SUMMED if name.endswith("sums only") else 1)
    found = property_inference.infer(model, view, effort, seed, progress)
    return {**_claim(name, learning, effort.rounds), "victims": effort.victims, **asdict(found)}


def run_generator(name: str, sizes: Sizes, seed: int, progress: Progress) -> Mapping[str, Any]:
    """On a model with a hidden layer. Sums only change nothing: the impostor reads the model."""
    mechanism = MechanismTerms(5, 300_000, MICRO, FIRST_NOISE)
    if name.startswith(("distributed", "correlated")):
        mechanism = replace(mechanism, local_steps=1, sampling_rate_ppm=MICRO)
    terms = LearningTerms(
        mechanism=mechanism,
        optimiser=OptimiserTerms(4 * MICRO, 287),
        sparsity=SparsityTerms(MICRO, MICRO),
        quantiser=QuantiserTerms(16 * MICRO, 16),
        encoding=EncodingTerms(packing=2),
    )
    learning = _terms(name, terms, sizes.generator_rounds, honest=impostor.CLIENTS - 1)
    found = impostor.impersonate(learning, sizes.generator_rounds, seed, progress)
    return {**_claim(name, learning, sizes.generator_rounds), **asdict(found)}


def _terms(name: str, terms: LearningTerms, rounds: int, honest: int = SUMMED) -> LearningTerms:
    """With the mechanism that ``name`` begins with, at the epsilon that it ends with, or else the usual claim.

    ``nothing`` is ``example`` without noise.
    """
    kind, mechanism = name.split(",")[0], terms.mechanism
    match kind:
        case "nothing":
            return without_noise(terms)
        case "distributed":
            changed = replace(mechanism, kind=kind, honest_clients=honest)
            terms = replace(terms, mechanism=changed, quantiser=replace(terms.quantiser, bits=30))
        case "correlated":
            terms = replace(terms, mechanism=replace(mechanism, kind=kind, separation=2, band_micro=(500_000,)))
        case "features":
            terms = replace(terms, mechanism=replace(mechanism, kind=kind, clip_micro=MICRO))
        case _:
            terms = replace(terms, mechanism=replace(mechanism, kind=kind))
    _, asked, epsilon = name.partition("epsilon ")
    return claimed(terms, rounds, float(epsilon)) if asked else claimed(terms, rounds)


def _claim(name: str, learning: LearningTerms, rounds: int) -> Mapping[str, Any]:
    if name.startswith("nothing"):
        return {"claimed": None, "figure": "none: no noise"}
    found = charge(learning, rounds)
    return {"claimed": found.epsilon, "figure": str(found.figure)}
