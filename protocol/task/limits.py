"""Limits that an owner or operator sets, held against what a task asks for; each check names its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from protocol.errors import PolicyError
from protocol.identifiers import Range
from protocol.messages.learning import MICRO
from protocol.strict_toml import Decimals

Share = Annotated[int, Decimals(6), Range(1, MICRO)]  # parts per million
Confirmations = Annotated[int, Range(0, 1_000)]
Most = Annotated[int, Range(1, 2**40)]


@dataclass(frozen=True, slots=True)
class CohortLimits:
    """A sum of few, or of one large weight, hides nobody."""

    min_clients: Annotated[int, Range(2, 10_000)] = 5
    max_share: Share = 333_333


def check_cohort_limits(limits: CohortLimits, clients: int, share_ppm: int) -> None:
    """Raises PolicyError."""
    at_least("cohort.min_clients", "the least cohort", clients, limits.min_clients)
    at_most("cohort.max_share", "the largest share of one client", share_ppm, limits.max_share, MICRO)


def at_most(line: str, what: str, asked: int, most: int, unit: int = 1) -> None:
    """``unit``: of a fixed-point number, for its text. Raises PolicyError."""
    if asked > most:
        raise PolicyError(line, what, _number(asked, unit), f"at most {_number(most, unit)}")


def at_least(line: str, what: str, asked: int, least: int) -> None:
    """Raises PolicyError."""
    if asked < least:
        raise PolicyError(line, what, asked, f"at least {least}")


def _number(value: int, unit: int) -> str:
    return str(value) if unit == 1 else f"{value / unit:.10g}"
