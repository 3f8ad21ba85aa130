"""The trainer of one data set, and a household's, which always has the newest examples."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from client_agent.data.loader import Loader
from client_agent.training.dp_sgd import DpSgd, NoExamples
from client_agent.training.gradients import Gradients
from protocol.errors import MalformedError, Party
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.task import LearningTerms, ModelSpec, TaskSpec
from protocol.model.dataset import Examples, labelled_for, usable
from protocol.model.specification import dimension_of
from protocol.randomness import Randomness
from protocol.round.training import Trainer, Training
from protocol.sparse.index_set import IndexSet, select

MAX_SYNTHETIC_NUMBERS: Final = 2**26  # in all inputs together


class Household(Trainer, Protocol):
    """A trainer on examples that can be looked at before anything is agreed."""

    def check(self) -> int:
        """How many there are. Raises DataMissingError, and MalformedError unless the task can use every one."""
        ...


def trainer_for(model: ModelSpec, examples: Examples) -> Trainer:
    """Raises MalformedError for data that do not fit the model."""
    return DpSgd(Gradients(model, *labelled_for(model, examples)))


class HouseholdTrainer:
    """A :class:`Household` that asks ``loader`` before every training.

    What became unusable after the consent is left out, and counted for its owner alone. So is every row from
    ``max_examples`` on: by its place, so that no example decides about another.
    """

    def __init__(self, model: ModelSpec, loader: Loader, max_examples: int, tell: Callable[[str], None]) -> None:
        self._model, self._loader, self._most, self._tell = model, loader, max_examples, tell
        self._examples: Examples | None = None

    def check(self) -> int:
        _, labels = labelled_for(self._model, self._loader.load())
        if len(labels) > self._most:
            raise MalformedError(f"{len(labels)} examples where the task takes {self._most} from one household")
        return len(labels)

    def train(
        self,
        parameters: npt.NDArray[np.float32],
        learning: LearningTerms,
        sent: IndexSet,
        randomness: Randomness,
        purpose: str,
    ) -> Training:
        examples = self._loader.load()
        if examples is not self._examples:
            self._trainer, self._examples = self._trainer_for(examples), examples
        return self._trainer.train(parameters, learning, sent, randomness, purpose)

    def _trainer_for(self, examples: Examples) -> Trainer:
        fits = usable(self._model, examples)
        fits[self._most :] = False
        if not fits.all():
            self._tell(f"{np.count_nonzero(~fits)} of {len(examples)} examples cannot be used and are left out")
        if not fits.any():
            return DpSgd(NoExamples())
        return DpSgd(Gradients(self._model, *examples.take(np.flatnonzero(fits)).labelled()))


def seconds_of_a_round(spec: TaskSpec, randomness: Randomness, clock: Callable[[], float]) -> float:
    """What one training takes with as many examples as the task allows a household; none of them is real.

    Raises MalformedError where so many would not fit into this phone's memory.
    """
    count, shape = spec.schedule.max_examples, spec.model.input_shape
    if count * prod(shape) > MAX_SYNTHETIC_NUMBERS:
        raise MalformedError(f"{count} examples of shape {shape} are more than a phone holds", fault=Party.MANUFACTURER)
    parameters = np.zeros(dimension_of(spec.model), dtype=np.float32)
    started = clock()
    blank = Gradients(spec.model, np.zeros((count, *shape), dtype=np.uint8), np.zeros(count, dtype=np.uint8))
    sent = select(ZERO_DIGEST, spec.model, spec.learning, 1)
    DpSgd(blank).train(parameters, spec.learning, sent, randomness, "measurement")
    return clock() - started
