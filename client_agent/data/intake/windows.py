"""What an example of each purpose is made of: the windows and features of
:mod:`client_agent.data.power_windows`, of readings that may have gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from client_agent.data.intake.plugs import OTHER, Purpose
from client_agent.data.power_windows import HOUR_MINUTES, LAGS, LEAST_WATTS, WINDOW_MINUTES, scaled
from client_agent.data.tracebase import TYPES
from protocol.model.dataset import OWNERS, Examples

Minutes = npt.NDArray[np.float32]
Made = tuple[Minutes, float]  # inputs and label
Stored = tuple[bytes, float, int]  # bytes of the inputs, label, appliance


@dataclass(frozen=True, slots=True)
class Shape:
    """Windows of ``minutes`` that begin every ``stride`` minutes since 1970; ``inputs``: of one example."""

    minutes: int
    stride: int
    of_type: bool
    inputs: tuple[int, ...]


SHAPES: Final = {
    Purpose.TYPE_HOUR: Shape(HOUR_MINUTES, HOUR_MINUTES, True, (3, 1, HOUR_MINUTES)),
    Purpose.TYPE_FOUR_HOURS: Shape(WINDOW_MINUTES, WINDOW_MINUTES, True, (3, 1, WINDOW_MINUTES)),
    Purpose.NEXT_HOUR: Shape((LAGS + 1) * HOUR_MINUTES, HOUR_MINUTES, False, (LAGS, 1)),
}


def example_of(purpose: Purpose, watts: Minutes, kind: str) -> Made | None:
    """Of a window of ``watts``, shape (3, minutes); None for one with a gap, of an appliance that is off, or where a
    label is needed and ``kind`` has none."""
    if np.isnan(watts).any():
        return None
    if SHAPES[purpose].of_type:
        label = label_of(kind)
        return (scaled(watts)[:, None], label) if label is not None and watts[1].max() > LEAST_WATTS else None
    hours = watts[0].reshape(-1, HOUR_MINUTES).mean(axis=1)
    if not hours.max() > LEAST_WATTS:
        return None
    logs = scaled(hours)
    return logs[:LAGS, None], float(logs[LAGS])


def stored(made: Made) -> tuple[bytes, float]:
    return made[0].astype("<f4").tobytes(), made[1]


def label_of(kind: str) -> float | None:
    """None for one that has no label."""
    return None if kind == OTHER else float(TYPES.index(kind))


def examples_of(purpose: Purpose, rows: Sequence[Stored]) -> Examples:
    """In the order of ``rows``, each with its appliance."""
    shape = SHAPES[purpose]
    data, labels, owners = zip(*rows, strict=True)
    inputs = np.frombuffer(b"".join(data), dtype="<f4").reshape(len(rows), *shape.inputs).astype(np.float32)
    kind: Any = np.int64 if shape.of_type else np.float32
    return Examples(
        {"inputs": inputs, "labels": np.array(labels, dtype=kind), OWNERS: np.array(owners, dtype=np.int64)}
    )
