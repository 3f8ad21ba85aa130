"""Windows of an appliance's power, what it is known by: type from power, and the next hour from the last ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from client_agent.data.tracebase import MINUTES, Appliance, ApplianceDay
from protocol.errors import MalformedError
from protocol.model.dataset import OWNERS, Examples

LEAST_WATTS: Final = 5.0  # a window that never has more is of an appliance that is off
WINDOW_MINUTES: Final = 240
HOUR_MINUTES: Final = 60
LAGS: Final = 12  # hours
TWICE_MICRO: Final = 173_287  # between two :func:`scaled` powers one of which is twice the other: ln(2) / 4

Reals32 = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
_Made = tuple[Reals32, int | np.float32, Appliance, int]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Window i of appliance ``appliances[owners[i]]`` began on day ``days[i]``, an ordinal number.

    ``inputs``: (N, ...); ``labels``: (N,), the type's place in TYPES or a number.
    """

    inputs: Reals32
    labels: npt.NDArray[Any]
    owners: Numbers
    days: Numbers
    appliances: tuple[Appliance, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def labelled(self) -> Examples:
        """Without what tells appliances apart."""
        return Examples({"inputs": self.inputs, "labels": self.labels})

    def examples(self) -> Examples:
        """As a household has them: each with its appliance."""
        return Examples({"inputs": self.inputs, "labels": self.labels, OWNERS: self.owners})

    def of(self, wanted: Sequence[Appliance]) -> Windows:
        """Those of the ``wanted`` appliances. Raises MalformedError where there is none."""
        places = [self.appliances.index(appliance) for appliance in wanted]
        chosen = np.flatnonzero(np.isin(self.owners, places))
        if not len(chosen):
            raise MalformedError(f"no window of {len(wanted)} appliances")
        return Windows(
            self.inputs[chosen], self.labels[chosen], self.owners[chosen], self.days[chosen], self.appliances
        )


def scaled(watts: npt.NDArray[Any]) -> Reals32:
    """From -1 for nothing to about 1 for a kettle; by the logarithm, since appliances differ by powers of ten."""
    found: Reals32 = (np.log1p(watts.astype(np.float64)) / 4.0 - 1.0).astype(np.float32)
    return found


def varied(windows: Windows, spread: float, seed: int) -> Windows:
    """The same of appliances that need more or less power: a window's watts times exp of N(0, ``spread`` squared)."""
    factors = np.exp(np.random.Generator(np.random.PCG64(seed)).normal(0.0, spread, len(windows)))
    watts = np.expm1((windows.inputs.astype(np.float64) + 1.0) * 4.0)
    return replace(windows, inputs=scaled(watts * factors.reshape(-1, *[1] * (watts.ndim - 1))))


def type_windows(days: Sequence[ApplianceDay], minutes: int = WINDOW_MINUTES, stride: int = WINDOW_MINUTES) -> Windows:
    """Windows of ``minutes`` that begin every ``stride`` minutes of a day, with their appliance's type.

    Inputs have shape (N, 3, 1, minutes): mean, maximum and minimum of each minute, :func:`scaled`. Windows in which
    the appliance is off are left out.
    """
    made: list[_Made] = []
    for one in days:
        for start in range(0, MINUTES - minutes + 1, stride):
            watts = one.minutes[:, start : start + minutes]
            if watts[1].max() > LEAST_WATTS:
                made.append((scaled(watts)[:, None], one.appliance.kind, one.appliance, one.day.toordinal()))
    return _windows(made)


def hour_windows(days: Sequence[ApplianceDay]) -> Windows:
    """``LAGS`` hours of an appliance and the one that follows, where the days follow each other.

    Inputs have shape (N, LAGS, 1): each hour's mean, :func:`scaled`; labels are the next hour's, too.
    Windows in which nothing was above ``LEAST_WATTS`` are left out.
    """
    made: list[_Made] = []
    for appliance, own in groupby(sorted(days, key=_place), key=lambda one: one.appliance):
        for run in _without_gaps(list(own)):
            hours = np.concatenate([one.minutes[0].reshape(-1, HOUR_MINUTES).mean(axis=1) for one in run])
            logs, first = scaled(hours), run[0].day
            for start in range(len(hours) - LAGS):
                if hours[start : start + LAGS + 1].max() > LEAST_WATTS:
                    day = (first + timedelta(hours=start + LAGS)).toordinal()
                    made.append((logs[start : start + LAGS, None], logs[start + LAGS], appliance, day))
    return _windows(made)


def _place(one: ApplianceDay) -> tuple[Appliance, int]:
    return one.appliance, one.day.toordinal()


def _without_gaps(days: Sequence[ApplianceDay]) -> list[list[ApplianceDay]]:
    runs: list[list[ApplianceDay]] = []
    for one in days:
        if runs and one.day - runs[-1][-1].day == timedelta(days=1):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _windows(made: Sequence[_Made]) -> Windows:
    if not made:
        raise MalformedError("no appliance was ever on")
    appliances = tuple(sorted({appliance for _, _, appliance, _ in made}))
    places = {appliance: place for place, appliance in enumerate(appliances)}
    inputs, labels, owners, days = zip(*made, strict=True)
    return Windows(
        np.stack(inputs).astype(np.float32),
        np.array(labels),
        np.array([places[owner] for owner in owners], dtype=np.int64),
        np.array(days, dtype=np.int64),
        appliances,
    )
