"""Which appliances a model is tested on, and which household owns the others. No window is ever dealt out by itself:
its neighbours of the same appliance would tell a model what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import numpy as np

from client_agent.data.partition import TooFewError
from client_agent.data.tracebase import Appliance

FOLDS: Final = 3  # as many as the type with the fewest appliances has


def unseen_folds(appliances: Sequence[Appliance], seed: int) -> list[tuple[Appliance, ...]]:
    """Each appliance is in one of ``FOLDS``, and each fold has some of every type."""
    generator = np.random.Generator(np.random.PCG64(seed))
    folds: list[list[Appliance]] = [[] for _ in range(FOLDS)]
    for _, members in groupby(sorted(appliances), key=lambda appliance: appliance.kind):
        own = list(members)
        first = int(generator.integers(FOLDS))
        for number, place in enumerate(generator.permutation(len(own))):
            folds[(first + number) % FOLDS].append(own[place])
    return [tuple(sorted(fold)) for fold in folds]


def households_of_plugs(appliances: Sequence[Appliance], households: int, seed: int) -> list[tuple[Appliance, ...]]:
    """A household owns whole plugs, and all that these ever measured. Raises TooFewError for fewer plugs than
    households."""
    plugs = sorted({appliance.plug for appliance in appliances})
    if len(plugs) < households:
        raise TooFewError(f"{len(plugs)} plugs cannot give {households} households one each")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(plugs))
    owner = {plugs[place]: number % households for number, place in enumerate(order)}
    return [
        tuple(appliance for appliance in sorted(appliances) if owner[appliance.plug] == household)
        for household in range(households)
    ]
