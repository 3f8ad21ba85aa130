"""The attacks on what one task's phone sent, run when its owner asks: one at a time, beside everything else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from client_agent.attacks.own_phone import Attack
from protocol.errors import HearthError
from protocol.text import shown

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Report:
    """Of one task. ``attacks``: none while they run. ``trouble``: why there are none, one line."""

    running: bool = False
    trouble: str = ""
    attacks: tuple[Attack, ...] = ()


class Attacks:
    """For threads. ``begin``: lets work happen elsewhere. ``changed``: hears when there is more to show."""

    def __init__(self, begin: Callable[[Callable[[], None]], None], changed: Callable[[], None]) -> None:
        self._begin, self._changed = begin, changed
        self._mutex, self._reports = threading.Lock(), dict[int, Report]()

    def of(self, task: int) -> Report | None:
        """None until somebody asked."""
        return self._reports.get(task)

    def start(self, task: int, run: Callable[[], tuple[Attack, ...]]) -> bool:
        """False while others run: they take all of a processor."""
        with self._mutex:
            if any(report.running for report in self._reports.values()):
                return False
            self._reports[task] = Report(running=True)
        self._begin(lambda: self._run(task, run))
        return True

    def _run(self, task: int, run: Callable[[], tuple[Attack, ...]]) -> None:
        try:
            report = Report(attacks=run())
        except Exception as error:  # whatever it is: nothing else stops, and the page says so
            log.warning("attacks not run", task=task, error=str(error)[:500])
            report = Report(
                trouble=shown((str(error.args[0]) if isinstance(error, HearthError) else repr(error))[:500])
            )
        with self._mutex:
            self._reports[task] = report
        self._changed()
