"""What a check says: how it went, what it saw, and what mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from protocol.errors import HearthError
from protocol.text import shown
from scripts.commands.outcome import reason

_NAME_WIDTH: Final = 14


class Grade(StrEnum):
    """As printed."""

    OK = "ok"
    WARN = "warn"  # works, but not for everything or not for long
    FAIL = "fail"
    SKIPPED = "-"  # nothing was named to look at, or what it needs failed


@dataclass(frozen=True, slots=True)
class Verdict:
    """``remedy``: the next step of whoever wants it mended."""

    grade: Grade
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict and what it is about."""

    about: str
    verdict: Verdict

    @property
    def line(self) -> str:
        """One line: what was seen may be a stranger's words."""
        verdict = self.verdict
        remedy = f"; {verdict.remedy}" if verdict.remedy else ""
        return shown(f"{verdict.grade:<4}  {self.about:<{_NAME_WIDTH}}  {verdict.said}{remedy}")

    def as_json(self) -> dict[str, str]:
        verdict = self.verdict
        return {"about": self.about, "grade": verdict.grade, "said": verdict.said, "remedy": verdict.remedy}


def ok(said: str) -> Verdict:
    return Verdict(Grade.OK, said)


def warn(said: str, remedy: str) -> Verdict:
    return Verdict(Grade.WARN, said, remedy)


def fail(said: str, remedy: str) -> Verdict:
    return Verdict(Grade.FAIL, said, remedy)


def skipped(why: str) -> Verdict:
    return Verdict(Grade.SKIPPED, why)


def examined(about: str, check: Callable[[], Verdict], remedy: str) -> Finding:
    """Whatever a check meets is a verdict; ``remedy`` is for what it raises."""
    try:
        return Finding(about, check())
    except HearthError as error:
        return Finding(about, fail(str(error.args[0]), remedy))
    except OSError as error:
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return Finding(about, fail(f"{where}{reason(error)}", remedy))
    except Exception as error:
        return Finding(about, fail(f"internal error: {type(error).__name__}: {error}", remedy))
