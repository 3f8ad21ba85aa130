"""The demonstration's terms under each mechanism: what differs from a preset, which adds noise to examples' sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from protocol.encryption.port import largest_value
from protocol.encryption.suite import FE64, PAD
from protocol.messages.learning import (
    MICRO,
    BayesianTerms,
    EncodingTerms,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    SparsityTerms,
)
from protocol.messages.task import PrivacyTerms, ReputationTerms
from protocol.privacy.mechanisms import of_features
from protocol.sparse.grid import largest_sum
from protocol.sparse.index_set import sent_count

PACKING: Final = {FE64: 2, PAD: 4}  # two 16-bit coordinates per word; four bytes per coordinate
_WIDE: Final = {FE64: 1, PAD: 6}  # of integers that are sent uncut
_EPSILON: Final = 10  # of one feature coordinate, as far as the paper goes
_BATCH: Final = 64  # the paper's


def _example(terms: LearningTerms) -> LearningTerms:
    return terms


def _client(terms: LearningTerms) -> LearningTerms:
    """Ten households are far too few to hide one of them and learn something: the noise is as large as all together."""
    mechanism = replace(
        _plain(terms.mechanism, "client", unit="household"),
        local_steps=max(5, terms.mechanism.local_steps),
        clip_micro=MICRO // 2,
        noise_multiplier_micro=MICRO,
    )
    rate = replace(terms.optimiser, learning_rate_micro=terms.optimiser.learning_rate_micro // 2)
    return replace(terms, mechanism=mechanism, optimiser=rate, bayesian=BayesianTerms())


def _distributed(terms: LearningTerms) -> LearningTerms:
    return replace(terms, mechanism=replace(_plain(terms.mechanism, "distributed"), local_steps=1))


def _correlated(terms: LearningTerms) -> LearningTerms:
    """Every coordinate in every round, each example in every second one, and less of a step, so that noise cancels."""
    mechanism = replace(
        _plain(terms.mechanism, "correlated"),
        local_steps=1,
        sampling_rate_ppm=MICRO,
        separation=2,
        band_micro=(300_000,),
        noise_multiplier_micro=2_550_000,
    )
    rate = replace(terms.optimiser, learning_rate_micro=terms.optimiser.learning_rate_micro // 2)
    dense = SparsityTerms(density_ppm=MICRO, scale_micro=MICRO)
    return replace(terms, mechanism=mechanism, optimiser=rate, sparsity=dense, bayesian=BayesianTerms())


def _features(terms: LearningTerms) -> LearningTerms:
    mechanism = replace(
        _plain(terms.mechanism, "features", unit="feature coordinate"),
        local_steps=10,
        sampling_rate_ppm=min(MICRO, _BATCH * MICRO // terms.optimiser.reference_count),
        clip_micro=10 * MICRO,
        noise_multiplier_micro=MICRO // _EPSILON,
    )
    rate = replace(terms.optimiser, learning_rate_micro=10 * MICRO)
    return replace(terms, mechanism=mechanism, optimiser=rate, bayesian=BayesianTerms())


def _plain(mechanism: MechanismTerms, kind: str, unit: str = "example") -> MechanismTerms:
    return replace(mechanism, kind=kind, unit=unit, unit_examples=1)


MECHANISMS: Final[Mapping[str, Callable[[LearningTerms], LearningTerms]]] = {
    "example": _example,
    "client": _client,
    "distributed": _distributed,
    "correlated": _correlated,
    "features": _features,
}


def terms_under(mechanism: str, terms: LearningTerms) -> LearningTerms:
    """A preset's ``terms`` with another mechanism; how much noise there is follows from the budget afterwards."""
    return MECHANISMS[mechanism](terms)


def budget_of(terms: LearningTerms, privacy: PrivacyTerms, rounds: int) -> PrivacyTerms:
    """The preset's, or for what guarantees nothing as much as all ``rounds`` are said to cost."""
    if terms.mechanism.kind != "features":
        return privacy
    return replace(privacy, epsilon_budget_micro=of_features(terms.mechanism, rounds))


def with_trust(terms: LearningTerms, honest: int, reputation: ReputationTerms) -> LearningTerms:
    """Counts the noise of ``honest`` clients in the sum, whatever they weigh there, where the mechanism can."""
    if terms.mechanism.kind != "distributed":
        return terms
    least = reputation.floor * MICRO // reputation.maximum
    return replace(terms, mechanism=replace(terms.mechanism, honest_clients=honest, least_weight_ppm=least))


def encoded(terms: LearningTerms, model: ModelSpec, suite: str, examples: int) -> LearningTerms:
    """With bits and packing for ``suite``: those of the preset, or as many as integers that are sent uncut need."""
    if terms.mechanism.kind != "distributed":
        return replace(terms, encoding=EncodingTerms(PACKING[suite]))
    largest, bits = largest_sum(terms, sent_count(model, terms.sparsity.density_ppm), examples), 2
    while largest_value(bits) < largest:
        bits += 1
    return replace(terms, quantiser=replace(terms.quantiser, bits=bits), encoding=EncodingTerms(_WIDE[suite]))
