"""The demonstration's data: public examples dealt out to households, each in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass

from client_agent.data.datasets import load_digits, load_mnist
from client_agent.data.partition import dirichlet_partition, equal_partition
from protocol.model.dataset import encode_examples
from scripts.demonstration.data_folder import data_folder
from scripts.demonstration.presets import MNIST_EXAMPLES

DIRICHLET_ALPHA = 0.5
MINIMUM_EXAMPLES = 10
PARTITION_SEED = 1  # fixed: the split is part of the demonstration, not of its randomness


@dataclass(frozen=True)
class Households:
    """Safetensors files: one for each household, and the public test set."""

    households: list[bytes]
    test_set: bytes


def households_of(dataset: str, clients: int) -> Households:
    """``digits``: uneven in size and in kind; ``mnist``: 6,000 examples each, or an equal share if that is less."""
    if dataset == "mnist":
        train, test = load_mnist(data_folder() / "mnist")
        size = min(MNIST_EXAMPLES, len(train) // clients)
        parts = equal_partition(len(train), clients, size, PARTITION_SEED)
    else:
        train, test = load_digits()
        parts = dirichlet_partition(train.arrays["labels"], clients, DIRICHLET_ALPHA, PARTITION_SEED, MINIMUM_EXAMPLES)
    return Households([encode_examples(train.take(part)) for part in parts], encode_examples(test))
