"""The trainer of each mechanism that a task can name; ``protocol.privacy.mechanisms`` says what each releases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.correlated_noise import CorrelatedNoise
from client_agent.training.aggregated import Aggregated
from client_agent.training.appliances import ByAppliance
from client_agent.training.correlated import Correlated
from client_agent.training.dp_sgd import NONE_HELD_OUT, Admission, DpSgd, Named, NoExamples
from client_agent.training.features import NoisyFeatures, NothingLearnt
from client_agent.training.gradients import Gradients
from client_agent.training.plain_sums import NoGradients
from client_agent.training.whole_update import WholeUpdate
from protocol.errors import MalformedError, Party
from protocol.messages.learning import LearningTerms, ModelSpec
from protocol.model.dataset import OWNERS, Examples
from protocol.privacy.figure import Unit
from protocol.round.training import Trainer


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Examples that fit the model, at least one, and what is made of them once a mechanism asks for it.

    ``names`` (n,) are drawn by the household's secret; None where there is no such secret.
    """

    model: ModelSpec
    examples: Examples
    names: npt.NDArray[np.uint64] | None
    _made: dict[tuple[int, ...], Gradients] = field(default_factory=dict)  # by class weights

    def gradients(self, learning: LearningTerms) -> Gradients:
        weights = learning.optimiser.class_weights_micro
        if weights not in self._made:
            self._made[weights] = Gradients(self.model, *self.examples.labelled(), weights)
        return self._made[weights]

    def secret_names(self) -> npt.NDArray[np.uint64]:
        if self.names is None:
            raise MalformedError("no secret of the household draws whose turn it is", fault=Party.OURS)
        return self.names


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """For a trainer. ``material``: None of a household that has no example to train on, or may not use any: its updates
    are the noise alone. ``noise``: of this enrolment; None where nothing is kept of which it could be."""

    learning: LearningTerms
    material: Material | None
    noise: CorrelatedNoise | None = None
    held_out: Named = NONE_HELD_OUT
    admission: Admission | None = None


def owners_of(examples: Examples) -> npt.NDArray[np.int64]:
    """Raises MalformedError where examples are not told apart by appliance."""
    if (owners := examples.owners) is None:
        raise MalformedError(f"examples: no array {OWNERS}, which tells whose each is")
    return owners


def trainer_of(ask: Ask) -> Trainer:
    """Raises MalformedError for a mechanism that there is not, or examples that it cannot use."""
    mechanism = ask.learning.mechanism
    try:
        make = _KINDS[mechanism.kind, mechanism.unit == Unit.APPLIANCE]
    except KeyError:
        named = f"{mechanism.kind!r:.40} of unit {mechanism.unit!r:.40}"
        raise MalformedError(f"this phone trains by no mechanism {named}", fault=Party.MANUFACTURER) from None
    return make(ask)


def _example(ask: Ask) -> Trainer:
    gradients = NoExamples() if ask.material is None else ask.material.gradients(ask.learning)
    return DpSgd(gradients, ask.held_out, ask.admission)


def _appliance(ask: Ask) -> Trainer:
    if ask.material is None:
        return DpSgd(NoExamples())
    return ByAppliance(ask.material.gradients(ask.learning), owners_of(ask.material.examples))


def _client(ask: Ask) -> Trainer:
    return WholeUpdate(NoGradients() if ask.material is None else ask.material.gradients(ask.learning))


def _distributed(ask: Ask) -> Trainer:
    if ask.material is None:
        return Aggregated(NoExamples())
    return Aggregated(ask.material.gradients(ask.learning), ask.held_out, ask.admission)


def _correlated(ask: Ask) -> Trainer:
    if ask.noise is None:
        raise MalformedError("no secret is kept that noise of several rounds could follow from", fault=Party.OURS)
    if ask.material is None:
        return Correlated(NoExamples(), np.zeros(0, dtype=np.uint64), ask.noise)
    return Correlated(ask.material.gradients(ask.learning), ask.material.secret_names(), ask.noise)


def _features(ask: Ask) -> Trainer:
    if ask.material is None:
        return NothingLearnt()
    weights = ask.learning.optimiser.class_weights_micro
    return NoisyFeatures(ask.material.model, *ask.material.examples.labelled(), weights)


_KINDS: Final[Mapping[tuple[str, bool], Callable[[Ask], Trainer]]] = {
    ("example", False): _example,
    ("example", True): _appliance,
    ("client", False): _client,
    ("distributed", False): _distributed,
    ("correlated", False): _correlated,
    ("features", False): _features,
}
