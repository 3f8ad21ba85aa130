"""What a query of a node's logs asks for: topics of ``eth_getLogs``, and whether an answer is to them.

Every event's first indexed member is its task; the second one is the client that it is about, or zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.identifiers import Address, to_hex
from protocol.messages.chain import Event
from protocol.messages.following import NO_CLIENT, concerns

Topics = list[str | list[str] | None]
_WORD: Final = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """Events of one task or of all; with ``client`` those that concern it alone."""

    task: int | None
    client: Address | None = None

    def topics(self) -> Topics | None:
        task = None if self.task is None else to_hex(self.task.to_bytes(_WORD, "big"))
        if self.client is not None:
            return [None, task, [to_hex(subject.rjust(_WORD, b"\0")) for subject in sorted({NO_CLIENT, self.client})]]
        return None if task is None else [None, task]

    def takes(self, event: Event) -> bool:
        of_task = self.task is None or getattr(event, "task", None) == self.task
        return of_task and (self.client is None or concerns(event, self.client))
