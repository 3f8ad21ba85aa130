"""What edge servers announce: an alarm clock, and evidence. What to do is asked of the chain alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError, NextRound, TaskEnded
from client_agent.membership import PATIENCE_SECONDS
from client_agent.watch import Watch
from protocol.errors import HearthError
from protocol.task.state import TaskState

log = structlog.get_logger()
IDLE_SECONDS: Final = 5  # between two polls that wait for nothing


@dataclass
class News:
    """Of one task."""

    edge: EdgeClient
    watch: Watch
    _last: NextRound | None = None

    def wait(self, state: TaskState, now: int, wait_seconds: int) -> float:
        """One long poll; when to come again."""
        try:
            news = self.edge.next_round(state.task, len(state.rounds), wait_seconds)
        except (EdgeUnavailableError, EdgeRefusedError) as error:
            log.info("edge server away", error=str(error))
            return now + PATIENCE_SECONDS
        if isinstance(news, TaskEnded):
            self.edge.turn()
        self._last = news if isinstance(news, NextRound) else None
        return now + (PATIENCE_SECONDS if wait_seconds else IDLE_SECONDS)

    def check(self) -> None:
        """Holds the last one against the chain, which has been read since."""
        if self._last is None:
            return
        news, self._last = self._last, None
        try:
            self.watch.check_announcement(news)
        except HearthError as error:
            log.warning("announcement not believed", round=news.round, error=str(error))
            self.edge.turn()
