"""Counts right answers on a task's public test set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.messages.task import TaskSpec
from protocol.model.dataset import MAX_DATASET_BYTES, Array, decode_labelled
from protocol.model.evaluation import count_correct
from protocol.model.layout import Layout
from storage.content.interface import ContentStore, get_document


def test_set_of(store: ContentStore, spec: TaskSpec) -> tuple[Array, Array]:
    """Inputs and labels. Raises ContentError or MalformedError."""
    return decode_labelled(get_document(store, spec.test_set, MAX_DATASET_BYTES))


@dataclass
class Accuracy:
    """Of one task's models. Raises ContentError when the test set, or the initial model, cannot be read."""

    store: ContentStore
    _initial: int | None = None

    def count(self, spec: TaskSpec, parameters: npt.NDArray[np.float32]) -> tuple[int, int]:
        """Right answers, and of how many."""
        test_set = test_set_of(self.store, spec)
        return count_correct(spec.model, parameters, *test_set), len(test_set[1])

    def initial(self, spec: TaskSpec) -> int:
        """Of the initial model; counted once."""
        if self._initial is None:
            layout = Layout.of(spec.model)
            initial = layout.from_safetensors(get_document(self.store, spec.initial_model, layout.max_bytes))
            self._initial, _ = self.count(spec, initial)
        return self._initial
