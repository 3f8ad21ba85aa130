"""Digits and MNIST dealt out to clients for an evaluation, and the models that learn them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from client_agent.data.datasets import load_digits, load_mnist
from client_agent.data.partition import dirichlet_partition
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.dataset import Array, Examples
from scripts.demonstration.data_folder import data_folder

DataSet = Literal["digits", "mnist"]
Indices = npt.NDArray[np.int64]

_MINIMUM: Final = 10  # examples of a client where they are uneven
_PIXELS: Final = {"digits": (4.88, 6.02), "mnist": (33.3, 78.6)}  # mean and spread of public training images


@dataclass(frozen=True, eq=False)
class Dealt:
    """``clients`` train on their own examples; what they hold out is in ``held``, in the same order."""

    clients: Sequence[Examples]
    held: Sequence[Examples]
    test_inputs: Array
    test_labels: Array


def dealt(dataset: DataSet, clients: int, seed: int, held: int = 0, alpha: float | None = None) -> Dealt:
    """All training examples: the same number for each, or by Dirichlet(``alpha``); then ``held`` of each taken out."""
    train, test = load_digits() if dataset == "digits" else load_mnist(data_folder() / "mnist")
    labels = train.arrays["labels"]
    generator = np.random.Generator(np.random.PCG64([seed, clients]))
    if alpha is None:
        parts: Sequence[Indices] = np.array_split(generator.permutation(len(labels)), clients)
    else:
        parts = [
            generator.permutation(part) for part in dirichlet_partition(labels, clients, alpha, seed, _MINIMUM + held)
        ]
    inputs, classes = test.labelled()
    kept = [train.take(np.sort(part[held:])) for part in parts]
    out = [train.take(np.sort(part[:held])) for part in parts] if held else []
    return Dealt(kept, out, inputs, classes)


def resampled(dataset: DataSet, clients: int, seed: int, each: int) -> Dealt:
    """``each`` examples for every client, drawn from all: two clients may have the same one."""
    whole = dealt(dataset, 1, seed)
    generator = np.random.Generator(np.random.PCG64([seed, clients, each]))
    parts = [np.sort(generator.permutation(len(whole.clients[0]))[:each]) for _ in range(clients)]
    return replace(whole, clients=[whole.clients[0].take(part) for part in parts])


def with_brightness(data: Dealt, dataset: DataSet) -> Dealt:
    """Pixels less their mean, by their spread: for a model without fixed features. Both are public constants."""
    clients, held = ([_scaled(examples, dataset) for examples in part] for part in (data.clients, data.held))
    return Dealt(clients, held, _brightness(data.test_inputs, dataset), data.test_labels)


def _scaled(examples: Examples, dataset: DataSet) -> Examples:
    inputs, labels = examples.labelled()
    return Examples({"inputs": _brightness(inputs, dataset), "labels": labels})


def _brightness(inputs: Array, dataset: DataSet) -> Array:
    mean, spread = _PIXELS[dataset]
    return ((inputs - mean) / spread).astype(np.float32)


def on_gradients(dataset: DataSet) -> ModelSpec:
    """Fixed oriented gradients and one linear layer: 2,890 parameters for digits, 3,930 for MNIST."""
    if dataset == "digits":
        side, arguments = 8, {"cell": 2, "stride": 1, "padding": 0, "scale": 16}
    else:
        side, arguments = 28, {"cell": 8, "stride": 4, "padding": 2, "scale": 255}
    features = Layer("oriented_gradients", arguments)
    return ModelSpec((1, side, side), 10, (features, Layer("linear", {"outputs": 10, "bias": 0})))


def convolutions(dataset: DataSet) -> ModelSpec:
    """Two convolutions and two linear layers with tanh: 26,010 parameters for MNIST, a small relative for digits."""
    first, second, side, width = (
        ((16, 8, 2), (32, 4, 2), 28, 32) if dataset == "mnist" else ((8, 3, 1), (16, 2, 2), 8, 16)
    )
    return ModelSpec(
        (1, side, side),
        10,
        (
            _convolution(*first),
            Layer("tanh", {}),
            _convolution(*second),
            Layer("tanh", {}),
            Layer("flatten", {}),
            Layer("linear", {"outputs": width, "bias": 1}),
            Layer("tanh", {}),
            Layer("linear", {"outputs": 10, "bias": 1}),
        ),
    )


def _convolution(channels: int, kernel: int, stride: int) -> Layer:
    return Layer("convolution", {"channels": channels, "kernel": kernel, "stride": stride})
