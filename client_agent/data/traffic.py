"""METR-LA road speeds (Li et al., ICLR 2018; the week that T-GCN uses): the next five minutes of a sensor from the hour
before, as FedGRU does (Liu et al. 2020)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.loader import DataMissingError
from protocol.errors import MalformedError
from protocol.model.dataset import Examples

ROWS_OF_A_DAY: Final = 24 * 12
TRAIN_DAYS: Final = 5
DAYS: Final = 7
LAGS: Final = 12
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_SENSORS: Final = 10_000
_HIGHEST: Final = 300.0  # mph

Speeds = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Week:
    """``scaled``: speeds between 0 and 1 on the days that train, shape (2016, sensors): minus ``lowest``, by ``span``,
    both in mph and of those days alone."""

    sensors: tuple[str, ...]
    scaled: Speeds
    lowest: float
    span: float

    def train(self, sensor: int) -> Examples:
        """Of days 1 to 5: inputs (N, LAGS, 1) and the speed that followed, scaled as they are."""
        return self._examples(sensor, LAGS, TRAIN_DAYS * ROWS_OF_A_DAY)

    def test(self, sensor: int) -> Examples:
        """Speeds of days 6 and 7."""
        return self._examples(sensor, TRAIN_DAYS * ROWS_OF_A_DAY + LAGS, len(self.scaled))

    def _examples(self, sensor: int, first: int, end: int) -> Examples:
        """Whose labels are in rows ``first`` to ``end``."""
        own = self.scaled[first - LAGS : end, sensor].astype(np.float32)
        inputs = np.lib.stride_tricks.sliding_window_view(own[:-1], LAGS)
        return Examples({"inputs": np.ascontiguousarray(inputs)[:, :, None], "labels": own[LAGS:]})


def load_traffic(folder: Path) -> Week:
    """From ``folder``/los_speed.csv: a line of sensors' names, then a row of speeds for each five minutes of a week.

    Raises DataMissingError, and MalformedError for a file of anything else.
    """
    path = folder / "los_speed.csv"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataMissingError(
            f"{path}: {error.strerror}; it is the METR-LA speed file of the T-GCN repository, data/los_speed.csv"
        ) from error
    if len(data) > MAX_BYTES:
        raise MalformedError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        return _parsed(data)
    except (MalformedError, ValueError) as error:
        raise MalformedError(f"{path}: {error.args[0]}") from error


def _parsed(data: bytes) -> Week:
    head, _, body = data.decode("ascii", "replace").partition("\n")
    sensors = tuple(name.strip() for name in head.split(","))
    if not 1 <= len(set(sensors)) == len(sensors) <= MAX_SENSORS:
        raise MalformedError("the first line does not name the sensors, each once")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of no numbers at all
        try:
            speeds = np.loadtxt(body.splitlines(), delimiter=",", dtype=np.float64, ndmin=2)
        except UserWarning as error:
            raise MalformedError("no speeds") from error
    if speeds.shape != (DAYS * ROWS_OF_A_DAY, len(sensors)):
        raise MalformedError(f"speeds of shape {speeds.shape}, where {DAYS * ROWS_OF_A_DAY} rows of all sensors belong")
    if not ((speeds >= 0.0) & (speeds <= _HIGHEST)).all():  # neither holds of what is not a number
        raise MalformedError(f"speeds that are not between 0 and {_HIGHEST:.0f} mph")
    known = speeds[: TRAIN_DAYS * ROWS_OF_A_DAY]
    lowest, span = float(known.min()), float(known.max() - known.min())
    if span == 0.0:
        raise MalformedError("all speeds are the same")
    return Week(sensors, (speeds - lowest) / span, lowest, span)
