"""The demonstration's data: public examples dealt out to households, each in a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from client_agent.data.appliance_split import households_of_plugs, unseen_folds
from client_agent.data.datasets import load_digits, load_mnist
from client_agent.data.loader import DataMissingError
from client_agent.data.partition import TooFewError, dirichlet_partition, equal_partition
from client_agent.data.power_windows import HOUR_MINUTES, type_windows
from client_agent.data.tracebase import load_tracebase
from client_agent.data.traffic import load_traffic
from protocol.model.dataset import Examples, encode_examples
from scripts.demonstration.data_folder import data_folder
from scripts.demonstration.presets import MNIST_EXAMPLES

DIRICHLET_ALPHA = 0.5
MINIMUM_EXAMPLES = 10
PARTITION_SEED = 1  # fixed: the split is part of the demonstration, not of its randomness
TRAFFIC_TEST_STRIDE = 29  # everybody counts right answers after every round: 4,000 are enough

Dealt = tuple[list[Examples], Examples]  # of each household, and the public test set


@dataclass(frozen=True)
class Households:
    """Safetensors files: one for each household, and the public test set."""

    households: list[bytes]
    test_set: bytes


def households_of(dataset: str, clients: int) -> Households:
    """The same every time. Raises DataMissingError, also where there is not enough for so many clients."""
    try:
        households, test = _DEALERS[dataset](clients)
    except TooFewError as error:
        raise DataMissingError(f"{dataset}: {error}; --clients can be fewer") from error
    return Households([encode_examples(household) for household in households], encode_examples(test))


def _digits(clients: int) -> Dealt:
    """Uneven in size and in kind."""
    train, test = load_digits()
    parts = dirichlet_partition(train.arrays["labels"], clients, DIRICHLET_ALPHA, PARTITION_SEED, MINIMUM_EXAMPLES)
    return [train.take(part) for part in parts], test


def _mnist(clients: int) -> Dealt:
    """6,000 examples each, or an equal share if that is less."""
    train, test = load_mnist(data_folder() / "mnist")
    parts = equal_partition(len(train), clients, min(MNIST_EXAMPLES, len(train) // clients), PARTITION_SEED)
    return [train.take(part) for part in parts], test


def _appliances(clients: int) -> Dealt:
    """Whole plugs for each household; the test set is of appliances that no household has."""
    days = load_tracebase(data_folder() / "tracebase" / "complete")
    windows = type_windows(days, HOUR_MINUTES, HOUR_MINUTES)
    unseen = unseen_folds(windows.appliances, PARTITION_SEED)[0]
    known = [appliance for appliance in windows.appliances if appliance not in unseen]
    owned = households_of_plugs(known, clients, PARTITION_SEED)
    return [windows.of(own).examples() for own in owned], windows.of(unseen).labelled()


def _traffic(clients: int) -> Dealt:
    """Sensors in the order of the file, an equal number for each; all of them are tested, on days that nobody has."""
    week = load_traffic(data_folder() / "traffic")
    if clients > len(week.sensors):
        raise TooFewError(f"{len(week.sensors)} sensors cannot give {clients} households one each")
    parts = np.array_split(np.arange(len(week.sensors)), clients)
    households = [_joined([week.train(sensor) for sensor in part]) for part in parts]
    test = _joined([week.test(sensor) for sensor in range(len(week.sensors))])
    return households, test.take(np.arange(0, len(test), TRAFFIC_TEST_STRIDE))


def _joined(pieces: list[Examples]) -> Examples:
    names = pieces[0].arrays
    return Examples({name: np.concatenate([piece.arrays[name] for piece in pieces]) for name in names})


_DEALERS: Final[Mapping[str, Callable[[int], Dealt]]] = {
    "digits": _digits,
    "mnist": _mnist,
    "appliances": _appliances,
    "traffic": _traffic,
}
