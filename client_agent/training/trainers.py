"""Which trainer a model gets: numpy for one linear layer on fixed features, torch for the rest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from client_agent.training.dp_sgd import DpSgd, Gradients
from protocol.errors import MalformedError
from protocol.messages.task import ModelSpec
from protocol.model.specification import is_linear
from protocol.round.training import Trainer


def trainer_for(model: ModelSpec, inputs: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Trainer:
    """Raises MalformedError for data that do not fit the model."""
    if len(labels) and int(labels.max()) >= model.classes:
        raise MalformedError(f"label {labels.max()} where the model has {model.classes} classes")
    return DpSgd(_gradients(model, inputs, labels))


def _gradients(model: ModelSpec, inputs: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Gradients:
    if is_linear(model):
        from client_agent.training.linear_gradients import LinearGradients

        return LinearGradients(model, inputs, labels)
    from client_agent.training.torch_gradients import TorchGradients  # torch: seconds to import, and 500 MB

    return TorchGradients(model, inputs, labels)
