"""A task's events kept up to date while the chain grows and, near its head, changes its mind."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from protocol.identifiers import Digest
from protocol.messages.chain import Event
from storage.ledger.interface import LedgerReader

Kind = TypeVar("Kind", bound=Event)

MAX_CHECKPOINTS: Final = 64


class EventFollower(Generic[Kind]):
    """``events`` are all of this kind that stand on chain as of the last :meth:`refresh`, in chain order.

    Every refresh reads on behind the last block whose hash is still the one seen before; a reorganisation deeper than
    everything remembered means that all is read again. ``task`` None follows all tasks. Not for threads.
    """

    def __init__(self, ledger: LedgerReader, task: int | None, kind: type[Kind]) -> None:
        self._ledger, self._task, self._kind = ledger, task, kind
        self._checkpoints: list[tuple[int, Digest]] = []
        self.events: tuple[Kind, ...] = ()
        self.now = 0  # seconds, as of the last look at the head

    @property
    def head(self) -> int:
        """The block up to which the chain was read by the last :meth:`refresh`; -1 before the first."""
        return self._checkpoints[-1][0] if self._checkpoints else -1

    def refresh(self) -> int:
        """How many of the first events known before still stand; a reader that applied more has to start over.

        Raises LedgerError, and then goes on next time as if it had not been called.
        """
        latest = self._ledger.head()
        head, tip, self.now = latest.block, latest.hash, latest.now
        # only now, so that a reorganisation between two of these questions is seen here or next time
        while self._checkpoints and not self._stands(*self._checkpoints[-1], head, tip):
            self._checkpoints.pop()
        start = self._checkpoints[-1][0] + 1 if self._checkpoints else 0
        known = tuple(event for event in self.events if event.block < start)
        if head >= start:
            # those of blocks after ``head`` are read once more next time, when their block is known
            known += tuple(e for e in self._ledger.events(self._task, start) if isinstance(e, self._kind))
            self._checkpoints = [*self._checkpoints[-MAX_CHECKPOINTS + 1 :], (head, tip)]
        standing = _common(self.events, known)
        self.events = known
        return standing

    def _stands(self, block: int, seen: Digest, head: int, tip: Digest) -> bool:
        return (tip if block == head else self._ledger.block_hash(block)) == seen


def _common(before: tuple[Event, ...], after: tuple[Event, ...]) -> int:
    for count, (one, other) in enumerate(zip(before, after, strict=False)):
        if one is not other and one != other:
            return count
    return min(len(before), len(after))
