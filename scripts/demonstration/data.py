"""The demonstration's data: public examples dealt out to households, each in a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from client_agent.data.appliance_split import households_of_plugs, unseen_folds
from client_agent.data.datasets import load_digits, load_mnist
from client_agent.data.loader import DataMissingError
from client_agent.data.partition import TooFewError, dirichlet_partition, equal_partition, one_class_partition
from client_agent.data.power_windows import HOUR_MINUTES, Windows, hour_windows, type_windows
from client_agent.data.tracebase import Appliance, ApplianceDay, load_tracebase
from client_agent.data.traffic import load_traffic
from protocol.messages.learning import MICRO, ModelSpec
from protocol.model.dataset import Examples, decode_labelled, encode_examples
from scripts.demonstration.data_folder import data_folder, tracebase_folder
from scripts.demonstration.presets import PRESETS

DIRICHLET_ALPHA = 0.5
MINIMUM_EXAMPLES = 10
PARTITION_SEED = 1  # fixed: the split is part of the demonstration, not of its randomness
TRAFFIC_TEST_STRIDE = 29  # everybody counts right answers after every round: 4,000 are enough

IID, DIRICHLET, ONE_CLASS, HOUSEHOLD = "iid", "dirichlet", "one-class", "household"
PARTITIONS: Final[Mapping[str, tuple[str, ...]]] = {  # of each data set; the first one is the usual
    "digits": (DIRICHLET, IID, ONE_CLASS),
    "mnist": (IID, DIRICHLET, ONE_CLASS),
    "appliances": (HOUSEHOLD,),
    "next-hour": (HOUSEHOLD,),
    "traffic": (HOUSEHOLD,),
}


@dataclass(frozen=True)
class Dealt:
    """Examples of each household, and the public test set. Where examples are of plugs, ``plugs`` are each household's,
    and ``unseen`` those of the test set, which no household has: who has the most windows comes first."""

    households: list[Examples]
    test_set: Examples
    plugs: tuple[tuple[Appliance, ...], ...] = ()
    unseen: tuple[Appliance, ...] = ()


@dataclass(frozen=True)
class Households:
    """Safetensors files: one for each household, and the public test set; and what else is in :class:`Dealt`."""

    households: list[bytes]
    test_set: bytes
    plugs: tuple[tuple[Appliance, ...], ...] = ()
    unseen: tuple[Appliance, ...] = ()


def households_of(dataset: str, clients: int, partition: str | None = None) -> Households:
    """The same every time. ``partition``: one of the data set's PARTITIONS, the usual one if left out.

    Raises DataMissingError, also where there is not enough for so many clients.
    """
    try:
        dealt = _DEALERS[dataset](clients, partition or PARTITIONS[dataset][0])
    except TooFewError as error:
        raise DataMissingError(f"{dataset}: {error}; --clients can be fewer") from error
    households = [encode_examples(household) for household in dealt.households]
    return Households(households, encode_examples(dealt.test_set), dealt.plugs, dealt.unseen)


def persistence_of(model: ModelSpec, test_set: bytes) -> float | None:
    """The share of a test set for which the last number of the input is right: that nothing changes is what a model
    has to beat. None of a model that tells classes apart."""
    if not model.predicts_number:
        return None
    inputs, labels = decode_labelled(test_set)
    return float((np.abs(inputs[:, -1, 0] - labels) <= model.tolerance_micro / MICRO).mean())


def _digits(clients: int, partition: str) -> Dealt:
    train, test = load_digits()
    return Dealt(_dealt(train, clients, partition, PRESETS["digits"].max_examples), test)


def _mnist(clients: int, partition: str) -> Dealt:
    train, test = load_mnist(data_folder() / "mnist")
    return Dealt(_dealt(train, clients, partition, PRESETS["mnist"].max_examples), test)


def _dealt(train: Examples, clients: int, partition: str, most: int) -> list[Examples]:
    """``iid``: as many for each, at random; ``dirichlet``: uneven in size and in kind; ``one-class``: each has one
    kind. Nobody has more than ``most``."""
    if partition == IID:
        parts = equal_partition(len(train), clients, min(most, len(train) // clients), PARTITION_SEED)
    elif partition == DIRICHLET:
        parts = dirichlet_partition(train.arrays["labels"], clients, DIRICHLET_ALPHA, PARTITION_SEED, MINIMUM_EXAMPLES)
    else:
        parts = one_class_partition(train.arrays["labels"], clients, PARTITION_SEED)
    return [train.take(part[:most]) for part in parts]


def _appliances(clients: int, partition: str) -> Dealt:
    return _by_plug(type_windows(_days(), HOUR_MINUTES, HOUR_MINUTES), clients)


def _next_hour(clients: int, partition: str) -> Dealt:
    return _by_plug(hour_windows(_days()), clients)


def _days() -> list[ApplianceDay]:
    return load_tracebase(tracebase_folder())


def _by_plug(windows: Windows, clients: int) -> Dealt:
    """Whole plugs for each household; the test set is of appliances that no household has."""
    unseen = unseen_folds(windows.appliances, PARTITION_SEED)[0]
    known = [appliance for appliance in windows.appliances if appliance not in unseen]
    owned = households_of_plugs(known, clients, PARTITION_SEED)
    count = dict(zip(windows.appliances, np.bincount(windows.owners).tolist(), strict=True))
    return Dealt(
        [windows.of(own).examples() for own in owned],
        windows.of(unseen).labelled(),
        tuple(owned),
        tuple(sorted(unseen, key=lambda appliance: -count[appliance])),
    )


def _traffic(clients: int, partition: str) -> Dealt:
    """Sensors in the order of the file, an equal number for each; all of them are tested, on days that nobody has."""
    week = load_traffic(data_folder() / "traffic")
    if clients > len(week.sensors):
        raise TooFewError(f"{len(week.sensors)} sensors cannot give {clients} households one each")
    parts = np.array_split(np.arange(len(week.sensors)), clients)
    households = [_joined([week.train(sensor) for sensor in part]) for part in parts]
    test = _joined([week.test(sensor) for sensor in range(len(week.sensors))])
    return Dealt(households, test.take(np.arange(0, len(test), TRAFFIC_TEST_STRIDE)))


def _joined(pieces: list[Examples]) -> Examples:
    names = pieces[0].arrays
    return Examples({name: np.concatenate([piece.arrays[name] for piece in pieces]) for name in names})


_DEALERS: Final[Mapping[str, Callable[[int, str], Dealt]]] = {
    "digits": _digits,
    "mnist": _mnist,
    "appliances": _appliances,
    "next-hour": _next_hour,
    "traffic": _traffic,
}
