"""Gradients of the loss of single examples by backpropagation, in the arithmetic of the model's layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import Layer, ModelSpec
from protocol.model import recurrent
from protocol.model.arithmetic import Arithmetic, Reals, total
from protocol.model.layers import own, passages, trained_layers
from protocol.model.loss import loss_errors
from protocol.model.pooling import pool_errors
from protocol.model.window import Window

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Whole:
    """The gradients of one flat tensor for n examples, one a column."""

    values: Reals

    def at(self, places: Places) -> Reals:
        """At places of the flat tensor, shape (places, n)."""
        return self.values[places] if len(places) < len(self.values) else self.values


@dataclass(frozen=True, slots=True)
class OuterProducts:
    """The gradients of one tensor for n examples: column k of ``left`` (a, n) times column k of ``right`` (b, n)."""

    left: Reals
    right: Reals

    def at(self, places: Places) -> Reals:
        """At places of the flat tensor, shape (places, n)."""
        rows, columns = np.divmod(places, len(self.right))
        found: Reals = self.left[rows] * self.right[columns]
        return found


Found = Whole | OuterProducts


def gradients_of(
    model: ModelSpec,
    tensors: Mapping[str, Reals],
    inputs: Reals,
    labels: npt.NDArray[np.float64],
    weights_micro: tuple[int, ...],
    arithmetic: Arithmetic,
) -> dict[str, Found]:
    """Of each trained tensor by its name, for fixed features ``inputs`` (..., n) and ``labels`` (n,)."""
    passed = list(passages(model, tensors, inputs, arithmetic))
    errors = loss_errors(model, passed[-1][0], labels, weights_micro, arithmetic)
    found: dict[str, Found] = {}
    layers = trained_layers(model)
    for place in reversed(range(len(layers))):
        number, layer = layers[place]
        (taken, _), (given, memory) = passed[place], passed[place + 1]
        if memory is not None:
            named, errors = recurrent.gradients(taken, own(tensors, number), memory, errors, arithmetic)
            found |= {f"{number}.{name}": Whole(values) for name, values in named.items()}
        else:
            found |= dict(_of_layer(number, layer, taken, errors, arithmetic))
        if place:
            errors = _before(number, layer, tensors, taken, given, errors, arithmetic)
    return found


def _of_layer(
    number: int, layer: Layer, taken: Reals, errors: Reals, arithmetic: Arithmetic
) -> Iterator[tuple[str, Found]]:
    if layer.kind == "linear":
        yield f"{number}.weight", OuterProducts(errors, taken)
        if layer.arguments["bias"]:
            yield f"{number}.bias", Whole(errors)
    elif layer.kind in ("convolution", "rectangular_convolution"):
        count = errors.shape[-1]
        kernels = arithmetic.convolution_gradients(taken, errors, Window.of(layer))
        yield f"{number}.weight", Whole(kernels.reshape(-1, count))
        yield f"{number}.bias", Whole(total(np.moveaxis(errors.reshape(len(errors), -1, count), 1, 0)))


def _before(
    number: int,
    layer: Layer,
    tensors: Mapping[str, Reals],
    taken: Reals,
    given: Reals,
    errors: Reals,
    arithmetic: Arithmetic,
) -> Reals:
    """Errors of what ``layer`` took, from those of what it gave."""
    match layer.kind:
        case "linear":
            return arithmetic.product(tensors[f"{number}.weight"].T, errors)
        case "convolution" | "rectangular_convolution":
            weight = tensors[f"{number}.weight"]
            return arithmetic.convolution_errors(weight, errors, taken.shape, Window.of(layer))
        case "gru":
            return recurrent.input_errors(tensors[f"{number}.input.weight"], errors, arithmetic)
        case "relu":
            return np.where(taken > 0.0, errors, 0.0)
        case "tanh":
            return errors * (1.0 - given * given)
        case "sigmoid":
            return errors * (given * (1.0 - given))
        case "mean_pool" | "max_pool" | "global_pool":
            return pool_errors(layer, taken, errors)
        case _:
            return errors.reshape(taken.shape)
