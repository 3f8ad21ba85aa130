"""The trainer of one data set, and a household's, which always has the newest examples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from client_agent.data.loader import Loader
from client_agent.training.dp_sgd import DpSgd
from client_agent.training.gradients import Gradients
from protocol.messages.task import LearningTerms, ModelSpec
from protocol.model.dataset import Examples, labelled_for
from protocol.randomness import Randomness
from protocol.round.training import Trainer, Training


def trainer_for(model: ModelSpec, examples: Examples) -> Trainer:
    """Raises MalformedError for data that do not fit the model."""
    return DpSgd(Gradients(model, *labelled_for(model, examples)))


class HouseholdTrainer:
    """A :class:`~protocol.round.training.Trainer` that asks ``loader`` before every training.

    Raises MalformedError, also when made, and DataMissingError.
    """

    def __init__(self, model: ModelSpec, loader: Loader) -> None:
        self._model, self._loader = model, loader
        self._examples = loader.load()
        self._trainer = trainer_for(model, self._examples)

    def train(
        self, parameters: npt.NDArray[np.float32], learning: LearningTerms, randomness: Randomness, purpose: str
    ) -> Training:
        examples = self._loader.load()
        if examples is not self._examples:
            self._trainer, self._examples = trainer_for(self._model, examples), examples
        return self._trainer.train(parameters, learning, randomness, purpose)
