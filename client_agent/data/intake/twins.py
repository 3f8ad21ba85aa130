"""Two integrations of one plug: its readings arrive twice, under two names, and must not make examples twice."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.intake.readings import Readings
from client_agent.data.power_windows import LEAST_WATTS

_LOOKED_AT_SECONDS: Final = 24 * 3600
_LEAST_MINUTES: Final = 30  # in which both measured and one of them was on
_LEAST_CHANGES: Final = 3  # of a minute against the one before: two lamps that just burn are two
_CHANGE_WATTS: Final = 5.0
_CLOSE_WATTS: Final = 2.0
_CLOSE_SHARE: Final = 0.05
_AGREE: Final = 0.95  # of the minutes: one integration is slower than the other


def mark_twins(readings: Readings, now: int) -> None:
    """Notes for each plug the first one that measured the same in the last day, for good: a twin that falls silent does
    not become another appliance. Raises ReadingsError."""
    plugs = readings.appliances()
    watts = {one.number: readings.minutes(one.number, now - _LOOKED_AT_SECONDS, now)[0] for one in plugs}
    same = {one.number: one.same_as for one in plugs}
    for first, second in combinations(sorted(watts), 2):
        if same[first] is None and same[second] is None and agree(watts[first], watts[second]):
            same[second] = first
    changed = [(same[one.number], one.number) for one in plugs if same[one.number] != one.same_as]
    if changed:
        with readings.database.changing() as connection:
            connection.executemany("UPDATE plugs SET same_as = ? WHERE id = ?", changed)


def agree(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> bool:
    """Whether two series of minutes, NaN where nothing was measured, are of one appliance."""
    both = ~np.isnan(one) & ~np.isnan(other)
    first, second = one[both].astype(np.float64), other[both].astype(np.float64)
    changes = np.count_nonzero(np.abs(np.diff(first)) > _CHANGE_WATTS)
    on = np.maximum(first, second) > LEAST_WATTS  # most appliances are off most of the time, all in the same way
    if np.count_nonzero(on) < _LEAST_MINUTES or changes < _LEAST_CHANGES:
        return False
    first, second = first[on], second[on]
    close = np.abs(first - second) <= np.maximum(_CLOSE_WATTS, _CLOSE_SHARE * np.maximum(first, second))
    return bool(close.mean() >= _AGREE)
