"""What the newest model that this household helped to train says of its plugs, for pages: fetched once, counted once.

A page never waits for the content store: until the model is there it says that it is being fetched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from client_agent.data.intake.plugs import Plug
from client_agent.data.intake.readings import Readings
from client_agent.recognition import Parameters, Recognised, hours_of, names_appliances, recognise
from client_agent.web.standing import Standing
from protocol.errors import HearthError
from protocol.identifiers import Digest, sha256
from protocol.messages.chain import RoundPublished
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from storage.content.interface import ContentStore, get_document

log = structlog.get_logger()
HOUR: Final = 3600
LOOKED_AT_HOURS: Final = 48
AGAIN_SECONDS: Final = 60.0  # after which a model that could not be had is asked for again
MOST_KEPT: Final = 1024  # answers


@dataclass(frozen=True, slots=True)
class Published:
    """The newest model: of which task and round, and how many of the public test set's examples it gets right."""

    task: int
    title: str
    spec: TaskSpec
    ended: RoundPublished

    @property
    def accuracy(self) -> float | None:
        return self.ended.correct / self.ended.examples if self.ended.examples else None


@dataclass(frozen=True, slots=True)
class Naming:
    """``published``: None where no task of this household has such a model. ``trouble``: why it could not be had."""

    published: Published | None = None
    trouble: str = ""
    parameters: Parameters | None = None


def newest(standings: Iterable[tuple[int, Standing]]) -> Published | None:
    """By the block of its publication."""
    found = [
        Published(task, standing.title, standing.state.spec, facts.ended)
        for task, standing in standings
        if isinstance(standing.state.spec, TaskSpec) and names_appliances(standing.state.spec.model)
        for facts in standing.state.rounds
        if isinstance(facts.ended, RoundPublished) and facts.settled is not None
    ]
    return max(found, key=lambda one: (one.ended.block, one.task), default=None)


class Recognition:
    """For threads. ``begin``: lets work happen elsewhere. ``changed``: hears when there is more to show."""

    def __init__(
        self,
        store: ContentStore,
        begin: Callable[[Callable[[], None]], None],
        changed: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._begin, self._changed, self._monotonic = store, begin, changed, monotonic
        self._mutex = threading.Lock()
        self._model: tuple[Digest, Parameters] | None = None
        self._fetching, self._failed = False, dict[Digest, tuple[float, str]]()
        self._answers = dict[tuple[Digest, bytes], Recognised]()

    def naming(self, standings: Iterable[tuple[int, Standing]]) -> Naming:
        """What there is now; begins to fetch what is missing."""
        published = newest(standings)
        if published is None:
            return Naming()
        wanted = published.ended.model
        with self._mutex:
            if self._model is not None and self._model[0] == wanted:
                return Naming(published, "", self._model[1])
            at, why = self._failed.get(wanted, (0.0, ""))
            begins = not self._fetching and (not why or self._monotonic() - at >= AGAIN_SECONDS)
            self._fetching = self._fetching or begins
        if begins:
            self._begin(lambda: self._fetch(published))
        return Naming(published, why)

    def of(self, naming: Naming, readings: Readings, plug: Plug) -> Recognised | None:
        """None while there is no model. Raises ReadingsError."""
        if naming.published is None or naming.parameters is None:
            return None
        end = (plug.seen or 0) // HOUR * HOUR
        hours = hours_of(readings.minutes(plug.number, max(0, end - LOOKED_AT_HOURS * HOUR), end))
        asked = naming.published.ended.model, sha256(hours.tobytes())
        known = self._answers.get(asked)
        if known is None:
            if len(self._answers) >= MOST_KEPT:
                self._answers.clear()
            known = self._answers[asked] = recognise(naming.published.spec.model, naming.parameters, hours)
        return known

    def _fetch(self, published: Published) -> None:
        wanted, model, why = published.ended.model, None, ""
        try:
            layout = Layout.published(published.spec)
            model = layout.from_safetensors(get_document(self._store, wanted, layout.max_bytes))
        except HearthError as error:
            why = str(error.args[0])
            log.info("model not fetched", task=published.task, error=why)
        with self._mutex:
            self._fetching = False
            if model is None:
                self._failed = {wanted: (self._monotonic(), why)}
            else:
                self._model = wanted, model
        self._changed()
