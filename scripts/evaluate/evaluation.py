"""The port of an evaluation: what is run, cell by cell, and what the results say beside their targets.

A cell is one run, resumed as a whole. A report is made from the cells' results alone, so it can be made again without
running anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Profile = Literal["small", "full"]
Results = Mapping[str, Mapping[str, Any]]  # by the key of the cell


class Progress(Protocol):
    """Told by a cell while it runs."""

    def advance(self, done: int, total: int) -> None:
        """``done`` of ``total`` equal parts are behind it."""
        ...


class Silent:
    """A :class:`Progress` that nobody looks at."""

    def advance(self, done: int, total: int) -> None:
        pass


@dataclass(frozen=True)
class Cell:
    """``key``: of letters, digits, ``.``, ``_`` and ``-``; it says all that distinguishes the run, its seed too, since
    a result is kept under it. ``run`` gives what JSON can hold, and the same every time."""

    key: str
    run: Callable[[Progress], Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One line of the table of targets. ``bar``: of the paper or peer; ``target``: ours, as text."""

    what: str
    bar: str
    target: str
    value: float | str
    met: bool


@dataclass(frozen=True)
class Table:
    """Cells are text already: whoever makes them knows how many digits mean something."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Line:
    """``spread``: half the height of a bar around each point, or nothing."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    spread: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plot:
    """``name``: of its file, without an ending."""

    name: str
    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    logarithmic: bool = False  # the x axis


@dataclass(frozen=True)
class Report:
    """``notes``: what a reader has to know to read the figures rightly, a sentence or two each."""

    title: str
    rows: tuple[Row, ...]
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...]
    notes: tuple[str, ...]

    @property
    def met(self) -> bool:
        return all(row.met for row in self.rows)


class Evaluation(Protocol):
    """Made by ``registry.evaluation``, which hands it the number of seeds that a person asked for, or None."""

    @property
    def name(self) -> str: ...

    def cells(self, profile: Profile) -> Sequence[Cell]:
        """In the order in which they are run: the most important ones first."""
        ...

    def report(self, profile: Profile, results: Results) -> Report:
        """From the results of all :meth:`cells` of the profile. The small one's targets are looser, and say so."""
        ...


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Standard deviation of a sample; 0.0 of one."""
    if len(values) < 2:
        return 0.0
    middle = mean(values)
    return float((sum((value - middle) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def percent(share: float, digits: int = 2) -> str:
    return f"{100.0 * share:.{digits}f} %"
