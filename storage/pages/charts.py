"""What a picture of numbers is made of: the script draws it, and a table beside it has the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MOST_POINTS: Final = 2000  # of one chart; more say nothing more at the width of a screen


@dataclass(frozen=True, slots=True)
class Series:
    """One line. ``scale``: the axis that it is read on, ``left`` or ``right``."""

    name: str
    values: Sequence[float | None]  # None: nothing is known there
    scale: str = "left"
    places: int = 2  # decimals in the table
    style: str = "line"  # or dashed, area, steps, points


@dataclass(frozen=True, slots=True)
class Chart:
    """``label``: what the picture shows, in a sentence, for who cannot see it. ``across``: the name of the x axis."""

    label: str
    across: str
    x: Sequence[float]  # ascending; seconds since 1970 where it is ``time``
    series: Sequence[Series]
    time: bool = False
    left: str = ""  # names of the axes
    right: str = ""

    def __post_init__(self) -> None:
        if len(self.x) > MOST_POINTS or any(len(one.values) != len(self.x) for one in self.series):
            raise ValueError(f"a chart has {MOST_POINTS} points at most, and every line one value for each")

    @property
    def data(self) -> str:
        """For the script."""
        lines = [
            {"name": one.name, "scale": one.scale, "style": one.style, "values": list(one.values)}
            for one in self.series
        ]
        facts = {"x": list(self.x), "time": self.time, "across": self.across, "left": self.left, "right": self.right}
        return json.dumps({**facts, "series": lines}, allow_nan=False)

    def rows(self) -> Iterator[tuple[float, list[float | None]]]:
        """For the table."""
        for index, place in enumerate(self.x):
            yield place, [one.values[index] for one in self.series]
