"""What is done with each message of a broker: whose it is, what it says, and when that is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from client_agent.data.intake.findings import (
    MAX_LISTING,
    MAX_PAYLOAD,
    MAX_SOURCES,
    AnyConvention,
    Finding,
    Measurement,
    Message,
    Refusal,
    Refused,
    Wanted,
    usable_topic,
)
from client_agent.data.intake.opening import ReadingsFullError
from client_agent.data.intake.readings import Readings

MAX_WANTED: Final = 2 * MAX_SOURCES  # topics that are asked for because a message named them
MAX_WAITING: Final = 20_000  # findings that are not stored yet


class Listening:
    """Of one collector. Whoever drives it gives the clock; nothing here waits for anything."""

    def __init__(self, conventions: Sequence[AnyConvention], readings: Readings, tell: Callable[[str], None]) -> None:
        self._conventions, self._readings, self._tell = conventions, readings, tell
        self._waiting: list[tuple[int, Finding]] = []
        self._states: list[Any] = []
        self._wanted: dict[str, set[int]] = {}
        self._full = False
        self._begun = False  # since the last connection, as far as the readings know

    @property
    def waiting(self) -> int:
        """Findings that are not stored yet."""
        return len(self._waiting)

    def connected(self, now: int) -> tuple[str, ...]:
        """What to subscribe to at first. What the last connection announced is announced again."""
        self._begun = False
        self.save(now)
        self._states = [one.start for one in self._conventions]
        self._wanted = {}
        return tuple(sorted({each for one in self._conventions for each in one.filters}))

    def largest(self, topic: str) -> int:
        """Bytes of a payload that is looked at."""
        return MAX_LISTING if any(one.listing(topic) for one in self._conventions) else MAX_PAYLOAD

    def hear(self, message: Message, now: int) -> tuple[str, ...]:
        """Topics to subscribe to from now on."""
        if not usable_topic(message.topic) or len(message.payload) > self.largest(message.topic):
            why = Refusal.TOO_LARGE if usable_topic(message.topic) else Refusal.TOPIC
            self._note(Refused(why), now)
            return ()
        more = list[str]()
        places = self._places(message.topic)
        for place in places:
            heard = self._conventions[place].read(message, self._states[place])
            self._states[place] = heard.state
            for finding in heard.findings:
                if isinstance(finding, Wanted):
                    more.extend(topic for topic in finding.topics if self._want(topic, place, now))
                elif message.retained and isinstance(finding, Measurement):
                    self._note(Refused(Refusal.RETAINED, finding.device), now)
                else:
                    self._note(finding, now)
        if not places:
            self._note(Refused(Refusal.OTHER), now)
        return tuple(more)

    def dropped(self, count: int, now: int) -> None:
        """Messages that came faster than they could be looked at."""
        if count:
            self._note(Refused(Refusal.DROPPED, count=count), now)

    def save(self, now: int) -> None:
        """Stores what was heard. Where there is no room, that is lost and counted, and what was stored is not."""
        waiting, self._waiting = self._waiting, []
        try:
            try:
                self._store(waiting, now)
            except ReadingsFullError:
                self._readings.tidy(now)
                self._store(waiting, now)
        except ReadingsFullError as error:
            lost = sum(one.count if isinstance(one, Refused) else 1 for _, one in waiting)
            self._waiting = [(now, Refused(Refusal.NO_ROOM, count=lost))] if lost else []
            if not self._full:
                self._tell(f"{error.args[0]}: what arrives is lost until there is some")
            self._full = True
            return
        if self._full:
            self._tell("there is room again")
        self._full = False

    def _store(self, waiting: Sequence[tuple[int, Finding]], now: int) -> None:
        if not self._begun:
            self._readings.begin(now)
            self._begun = True
        self._readings.add(waiting, now)

    def lost(self, now: int) -> None:
        """The broker is gone: what plugs draw is not known until it is back."""
        self.save(now)
        try:
            self._readings.interrupted(now)
        except ReadingsFullError:
            pass  # the next beginning notes the gap from when somebody listened last

    def _places(self, topic: str) -> list[int]:
        of_filters = (
            place
            for place, one in enumerate(self._conventions)
            if any(matches(pattern, topic) for pattern in one.filters)
        )
        return sorted({*of_filters, *self._wanted.get(topic, ())})

    def _want(self, topic: str, place: int, now: int) -> bool:
        """Whether it has to be subscribed to."""
        if topic in self._wanted:
            self._wanted[topic].add(place)
            return False
        if not usable_topic(topic) or len(self._wanted) >= MAX_WANTED:
            self._note(Refused(Refusal.TOO_MANY if usable_topic(topic) else Refusal.TOPIC), now)
            return False
        self._wanted[topic] = {place}
        return True

    def _note(self, finding: Finding, now: int) -> None:
        if len(self._waiting) >= MAX_WAITING:
            finding = Refused(Refusal.DROPPED)
        last = self._waiting[-1][1] if self._waiting else None
        if isinstance(finding, Refused) and isinstance(last, Refused) and last.why == finding.why:
            self._waiting[-1] = (now, Refused(finding.why, count=last.count + finding.count))
        else:
            self._waiting.append((now, finding))


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic is one of a filter, which has no other wildcard than ``+``."""
    levels, parts = pattern.split("/"), topic.split("/")
    return len(levels) == len(parts) and all(level in ("+", part) for level, part in zip(levels, parts, strict=True))
