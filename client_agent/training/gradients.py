"""Clipped gradients of the loss of single examples, each a function of its example and the parameters alone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import clipped, units_of_clip
from client_agent.training.backpropagation import Found, gradients_of
from protocol.messages.learning import ModelSpec
from protocol.model.arithmetic import PLAIN, Arithmetic, Reals
from protocol.model.dataset import Array
from protocol.model.evaluation import fixed_features
from protocol.model.layout import Layout
from protocol.model.specification import activations_of, multiplications_of
from protocol.model.speed import PROCESS, Gradual, chunk_of, padded

CHUNK_NUMBERS = 400_000  # of activations and sent parameters, for all examples of a chunk together
_PASSES = 3  # forwards, the errors backwards, the gradients
Indices = npt.NDArray[np.uint32]
Chosen = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClippedSum:
    """The sum of clipped gradients over examples, shape (k,), in steps of clip / ``units_of_clip(k)``, and the length
    of each gradient before the cut, shape (n,)."""

    total: npt.NDArray[np.int64]
    norms: Reals


class Gradients:
    """For one model and the examples of one household.

    ``class_weights_micro`` multiply an example's loss by its label's weight, before the cut; without any all are one.
    ``work`` says when compiled loops are worth it.
    """

    def __init__(
        self,
        model: ModelSpec,
        inputs: Array,
        labels: Array,
        class_weights_micro: tuple[int, ...] = (),
        work: Gradual = PROCESS,
    ) -> None:
        self._model, self._layout, self._weights = model, Layout.of(model), class_weights_micro
        self._work = work
        self._inputs = fixed_features(model, inputs).astype(np.float32)  # half of the memory
        self._labels = labels.astype(np.float64)  # classes are whole numbers far below 2^53
        self._numbers, self._multiplications = activations_of(model), multiplications_of(model)

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._labels)

    def clipped_sum(self, point: Reals, sent: Indices, chosen: Chosen, clip: float) -> ClippedSum:
        """At the parameters ``point``, over the examples with the indices ``chosen``, at the coordinates ``sent``.

        One example more or less changes it by ``clip`` at most: by a vector of integers of at most that length.
        """
        arithmetic, units = self._arithmetic_for(chosen), units_of_clip(len(sent))
        chunk = chunk_of(CHUNK_NUMBERS // (self._numbers + len(sent)), arithmetic.lanes)
        pieces = [chosen[start : start + chunk] for start in range(0, len(chosen), chunk)]
        norms = [np.zeros(0)]
        if arithmetic is PLAIN:
            summed = np.zeros(len(sent))
            for piece in pieces:
                whole, lengths = self.clipped(point, sent, piece, clip)
                summed += whole.sum(axis=1)
                norms.append(lengths)
        else:
            from client_agent.training.compiled_sums import Columns, CompiledSum

            columns, sums = Columns(self._layout, sent), CompiledSum(len(sent), clip, units)
            for piece in pieces:
                more = _padded(piece, arithmetic)
                norms.append(sums.add(columns.of(self._found(point, more, arithmetic), len(more)), len(piece)))
            summed = sums.total
        return ClippedSum(summed.astype(np.int64), np.concatenate(norms))

    def clipped(self, point: Reals, sent: Indices, chosen: Chosen, clip: float) -> tuple[Reals, Reals]:
        """Each example's clipped gradient, a column, in steps of the grid; and each length before the cut."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows counts as zero
            return clipped(self.each(point, sent, chosen), clip, units_of_clip(len(sent)))

    def each(self, point: Reals, sent: Indices, chosen: Chosen) -> Reals:
        """Each example's gradient as it is, a column of (k, n)."""
        arithmetic = self._arithmetic_for(chosen)
        if not len(chosen):
            return np.zeros((len(sent), 0))
        if arithmetic is PLAIN:
            found = self._found(point, chosen, PLAIN)
            with np.errstate(over="ignore", invalid="ignore"):
                return np.concatenate([found[name].at(places) for name, places in self._layout.places(sent)])
        from client_agent.training.compiled_sums import Columns

        more = _padded(chosen, arithmetic)
        return Columns(self._layout, sent).of(self._found(point, more, arithmetic), len(more))[:, : len(chosen)]

    def _arithmetic_for(self, chosen: Chosen) -> Arithmetic:
        return self._work.arithmetic_for(_PASSES * self._multiplications * len(chosen))

    def _found(self, point: Reals, chosen: Chosen, arithmetic: Arithmetic) -> dict[str, Found]:
        inputs = np.ascontiguousarray(np.moveaxis(self._inputs[chosen].astype(np.float64), 0, -1))
        labels, tensors = self._labels[chosen], self._layout.tensors(point)
        with np.errstate(over="ignore", invalid="ignore"):
            return gradients_of(self._model, tensors, inputs, labels, self._weights, arithmetic)


def _padded(chosen: Chosen, arithmetic: Arithmetic) -> Chosen:
    """The first of them is repeated until they are as many as the arithmetic wants."""
    return np.concatenate([chosen, np.repeat(chosen[:1], padded(len(chosen), arithmetic.lanes) - len(chosen))])


def prepare() -> None:
    """Compiles, or loads, the loops of training and evaluation: a process with much work does it by itself."""
    import_module("client_agent.training.compiled_sums")  # which compiles its loops
    PROCESS.load()
