"""What each kind of data is learned with. Whoever knows better writes a task file's tables instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Final

from protocol.errors import MalformedError, Party, SpecError
from protocol.messages.learning import (
    MICRO,
    EncodingTerms,
    Layer,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    QuantiserTerms,
    SparsityTerms,
)
from protocol.messages.task import PrivacyTerms
from protocol.model.specification import dimension_of, validate
from protocol.privacy.mechanisms import has_guarantee
from protocol.privacy.spending import CLASSICAL, spent
from protocol.strict_toml import TomlFile
from protocol.task.file_tables import Tables, defaults_of

MAX_OWN_BYTES: Final = 12 * 1024
MAX_OWN_PARAMETERS: Final = 1_000_000
APPLIANCE_TYPES: Final = 10
HOUR_MINUTES: Final = 60
HOURS: Final = 12
DELTA_EXPONENT: Final = 5
# epsilon of the whole task for one example of a household, in millionths; owners who change nothing stop at eight
EPSILON_MICRO: Final[Mapping[str, int]] = {"strong": 2 * MICRO, "usual": 4 * MICRO, "weak": 8 * MICRO}
LEAST_NOISE_MICRO: Final = 600_000
_NOISE_STEP_MICRO: Final = 20_000
_NOISE_STEPS: Final = 50_000  # up to a noise multiplier of 1,000; more lets nothing be learned


@dataclass(frozen=True, slots=True)
class Kind:
    """``least_noise_micro``: below it the noise never is. ``max_examples``: of one household."""

    model: ModelSpec
    learning: LearningTerms
    max_examples: int
    least_noise_micro: int = LEAST_NOISE_MICRO


@dataclass(frozen=True, slots=True)
class OwnTables:
    """What an own model is written with, as in a task file."""

    model: ModelSpec
    learning: LearningTerms


def appliance_types() -> Kind:
    """Type of an appliance from the mean and the highest of an hour's power."""
    layers = (Layer("global_pool", {"mean": 1, "maximum": 1}), Layer("linear", {"outputs": APPLIANCE_TYPES, "bias": 1}))
    learning = LearningTerms(
        mechanism=_one_step(300_000),
        optimiser=OptimiserTerms(learning_rate_micro=10 * MICRO, reference_count=370),
        sparsity=SparsityTerms(density_ppm=MICRO, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=4 * MICRO, bits=16),
        encoding=EncodingTerms(packing=2),
    )
    return Kind(ModelSpec((3, 1, HOUR_MINUTES), APPLIANCE_TYPES, layers), learning, 4_000)


def next_hour() -> Kind:
    """An appliance's power in the next hour from the twelve before, on the scale of its logarithm; right within 0.1."""
    layers = (Layer("flatten", {}), Layer("linear", {"outputs": 1, "bias": 1}))
    learning = LearningTerms(
        mechanism=_one_step(300_000),
        optimiser=OptimiserTerms(learning_rate_micro=MICRO, reference_count=1_000),
        sparsity=SparsityTerms(density_ppm=MICRO, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=4 * MICRO, bits=16),
        encoding=EncodingTerms(packing=2),
    )
    return Kind(ModelSpec((HOURS, 1), 1, layers, tolerance_micro=100_000), learning, 4_000)


def digits() -> Kind:
    """Handwritten digits of 8 x 8 pixels."""
    gradients = Layer("oriented_gradients", {"cell": 2, "stride": 1, "padding": 0, "scale": 16})
    learning = LearningTerms(
        mechanism=_one_step(200_000),
        optimiser=OptimiserTerms(learning_rate_micro=160 * MICRO, reference_count=144),
        sparsity=SparsityTerms(density_ppm=250_000, scale_micro=4 * MICRO),
        quantiser=QuantiserTerms(bound_micro=40 * MICRO, bits=16),
        encoding=EncodingTerms(packing=2),
    )
    layers = (gradients, Layer("linear", {"outputs": 10, "bias": 0}))
    return Kind(ModelSpec((1, 8, 8), 10, layers), learning, 1_500)


KINDS: Final[Mapping[str, Callable[[], Kind]]] = {
    "appliances": appliance_types, "next_hour": next_hour, "digits": digits,
}  # fmt: skip


def own(text: str) -> Kind:
    """From the tables ``model`` and ``learning`` of a task file; its other tables are what is asked for beside it.

    Raises MalformedError, which names line and entry.
    """
    file = TomlFile(text.encode(), "own model", max_bytes=MAX_OWN_BYTES, fault=Party.MANUFACTURER)
    wanted, known = {field.name for field in fields(OwnTables)}, {field.name for field in fields(Tables)}
    if unknown := [name for name in file.tables if name not in known]:
        raise file.wrong((unknown[0],), "is no table of a task file")
    if missing := sorted(wanted - file.tables.keys()):
        raise MalformedError(f"own model: the table [{missing[0]}] is missing", fault=Party.MANUFACTURER)
    defaults = defaults_of(file.tables)
    file.tables = {name: table for name, table in file.tables.items() if name in wanted}
    tables = file.read(OwnTables, {"learning": defaults["learning"]})
    try:
        validate(tables.model)
    except SpecError as error:
        raise file.refused(error) from error
    if (parameters := dimension_of(tables.model)) > MAX_OWN_PARAMETERS:
        why = f"{parameters} parameters; a page drafts up to {MAX_OWN_PARAMETERS}, a task file has more"
        raise file.refused(SpecError("model.layers", why))
    noise = tables.learning.mechanism.noise_multiplier_micro
    return Kind(tables.model, tables.learning, 1_000, max(noise, 1))


@lru_cache(maxsize=256)
def _noise_for(learning: LearningTerms, privacy: PrivacyTerms, rounds: int, least_micro: int) -> int:
    def fits(step: int) -> bool:
        mechanism = replace(learning.mechanism, noise_multiplier_micro=least_micro + step * _NOISE_STEP_MICRO)
        return spent({mechanism: rounds}, learning, privacy).epsilon_micro <= privacy.epsilon_budget_micro

    if fits(0):
        return least_micro
    low, high = 0, 1
    while not fits(high):
        low, high = high, 2 * high
        if high > _NOISE_STEPS:
            raise SpecError(
                "privacy.epsilon_budget", f"so many rounds ({rounds}) need more noise than anything survives"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return least_micro + high * _NOISE_STEP_MICRO


def private(kind: Kind, word: str, rounds: int) -> tuple[LearningTerms, PrivacyTerms]:
    """The kind's terms with the least noise with which ``rounds`` rounds stay within the epsilon of ``word``.

    A mechanism that guarantees nothing stays as it is. Raises SpecError, NoPrivacyError.
    """
    privacy, learning = PrivacyTerms(EPSILON_MICRO[word], DELTA_EXPONENT, CLASSICAL.name), kind.learning
    if not has_guarantee(learning.mechanism):
        cost = spent({learning.mechanism: rounds}, learning, privacy).epsilon_micro
        return learning, replace(privacy, epsilon_budget_micro=max(1, cost))
    if learning.bayesian.rungs_micro:
        raise SpecError("learning.bayesian.rungs", "rungs of noise are for task files; leave them out here")
    noise = _noise_for(_at_any_noise(learning), privacy, rounds, kind.least_noise_micro)
    return replace(learning, mechanism=replace(learning.mechanism, noise_multiplier_micro=noise)), privacy


def _at_any_noise(learning: LearningTerms) -> LearningTerms:
    """Its own noise does not matter to what is remembered."""
    return replace(learning, mechanism=replace(learning.mechanism, noise_multiplier_micro=MICRO))


def _one_step(clip_micro: int) -> MechanismTerms:
    return MechanismTerms(1, MICRO, clip_micro, LEAST_NOISE_MICRO)
