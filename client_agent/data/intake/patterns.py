"""Topics whose first levels owners chose: what to subscribe to, and which plug a topic is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from client_agent.data.intake.findings import usable_topic
from protocol.errors import MalformedError

PREFIX: Final = "%prefix%"  # the level by which a plug says what kind of message it is
TOPIC: Final = "%topic%"  # the level of a plug's own name
ANY: Final = "+"  # another level in which plugs differ
MAX_LEVELS: Final = 8
MAX_LETTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Pattern:
    """``levels``: each a text, or PREFIX, TOPIC or ANY."""

    levels: tuple[str, ...]

    def filter(self, prefix: str, ending: str) -> str:
        """For a broker."""
        return "/".join((*({PREFIX: prefix, TOPIC: ANY}.get(one, one) for one in self.levels), ending))

    def split(self, topic: str) -> tuple[str, str, str] | None:
        """Name of the plug, prefix ("" without one) and the levels that follow; None for a topic of another pattern.

        The name has every level but the prefix: plugs of two rooms stay two.
        """
        parts, count = topic.split("/"), len(self.levels)
        if len(parts) <= count or not usable_topic(topic):
            return None
        head = list(zip(self.levels, parts[:count], strict=True))
        if not all(part and level in (PREFIX, TOPIC, ANY, part) for level, part in head):
            return None
        name = "/".join(part for level, part in head if level != PREFIX)
        return name, next((part for level, part in head if level == PREFIX), ""), "/".join(parts[count:])


def parse_pattern(text: str, prefixed: bool) -> Pattern:
    """``prefixed``: whether one level has to be PREFIX; else none may be. Raises MalformedError."""
    levels = tuple(text.removesuffix("/").split("/"))
    if len(text) > MAX_LETTERS or len(levels) > MAX_LEVELS or not text.isprintable() or text.startswith("$"):
        raise MalformedError(f"{text[:80]!r} is no base of topics: it has at most {MAX_LEVELS} printable levels")
    if levels.count(PREFIX) != int(prefixed):
        asked = f"one level is {PREFIX}, as in {PREFIX}/home/{TOPIC}/" if prefixed else f"no level is {PREFIX}"
        raise MalformedError(f"{text!r} is no base of topics: {asked}")
    for level in levels:
        if level not in (PREFIX, TOPIC, ANY) and (not level or set(level) & set("+#%")):
            raise MalformedError(f"{level!r} is no level of a topic; {ANY} alone stands for any one")
    return Pattern(levels)
