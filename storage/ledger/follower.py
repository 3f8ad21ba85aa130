"""A task's events kept up to date while the chain grows, and changes its mind near its head.

Behind one endpoint there may be several nodes, and the one asked now may be some blocks behind the one asked before.
That is no reorganisation: a block vanishes only where the chain shows another one in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from protocol.identifiers import Address, Digest
from protocol.messages.chain import Event
from storage.ledger.event_file import EventFile
from storage.ledger.interface import Head, LedgerReader

Kind = TypeVar("Kind", bound=Event)

MAX_CHECKPOINTS: Final = 64
LAG_BLOCKS: Final = 8  # that one node may be behind another: so many are read again, and so far a head may go back
SAVED_BLOCKS: Final = 500  # after which the file is written again: as many are one query more at the next start
LAG_LOOKS: Final = 20  # at a head that went back, before it is believed: development chains do go back


class EventFollower(Generic[Kind]):
    """``events`` are all of this kind that stand on chain as of the last :meth:`refresh`, in chain order.

    Every refresh reads on behind the last block whose hash is still the one seen before, and once more what a node
    that lagged may have left out; a reorganisation deeper than everything remembered means that all is read again.
    A block that the ledger said nothing in costs one question, for the head. ``task`` None follows all tasks.
    ``client``: only what concerns it is followed. ``look`` asks for the head in the ledger's
    place. ``file``: whose events need not be read again, of all tasks and kinds. Not for threads.
    """

    def __init__(
        self,
        ledger: LedgerReader,
        task: int | None,
        kind: type[Kind],
        look: Callable[[], Head] | None = None,
        file: EventFile | None = None,
        client: Address | None = None,
    ) -> None:
        assert file is None or client is None  # it would keep what is not everything
        self._client = client
        self._ledger, self._task, self._kind, self._look = ledger, task, kind, look or (lambda: ledger.head())
        self._file, self._saved = file, -1
        self._checkpoints: list[tuple[int, Digest]] = []
        self._loud = 0  # the last block that may have events which no node has shown yet
        self._looks_back = 0
        self.events: tuple[Kind, ...] = ()
        self.now = 0  # seconds, as of the last look at the head
        self._tagged: int | None = None
        if file is not None and (kept := file.load()) is not None:
            self._saved, digest, events = kept
            self._checkpoints = [(self._saved, digest)]
            self.events = tuple(event for event in events if isinstance(event, kind))

    @property
    def head(self) -> int:
        """The block up to which the chain was read by the last :meth:`refresh`; -1 before the first."""
        return self._checkpoints[-1][0] if self._checkpoints else -1

    def deep(self, confirmations: int) -> int:
        """The last block that counts as confirmed, as of the last :meth:`refresh`."""
        return Head(self.head, b"", self.now, tagged=self._tagged).deep(confirmations)

    def refresh(self) -> int:
        """How many of the first events known before still stand; a reader that applied more has to start over.

        Raises LedgerError, and then goes on next time as if it had not been called.
        """
        latest = self._look()
        if self._lags(latest):
            return len(self.events)
        self.now, self._tagged = latest.now, latest.tagged
        if self._continues(latest):
            if not latest.is_quiet:
                self._loud = latest.block
            if latest.block > self._loud + LAG_BLOCKS or latest.block == self.head:
                self._keep(latest)
                return len(self.events)
        else:
            self._loud = latest.block
            # only now, so that a reorganisation between two of these questions is seen here or next time
            while self._checkpoints:
                block, seen = self._checkpoints[-1]
                found = latest.hash if block == latest.block else self._ledger.block_hash(block)
                if found is None and block < latest.block:
                    return len(self.events)  # the node that was asked now does not have the head yet
                if found == seen:
                    break
                self._checkpoints.pop()
        known = self._read_on(latest)
        standing = _common(self.events, known)
        self.events = known
        return standing

    def _lags(self, latest: Head) -> bool:
        """Whether the head is that of a node which is behind, as far as that can be told."""
        if not self.head - LAG_BLOCKS <= latest.block < self.head:
            self._looks_back = 0
            return False
        self._looks_back += 1
        below = [(block, seen) for block, seen in self._checkpoints if block <= latest.block]
        if self._looks_back >= LAG_LOOKS or not below:
            return self._looks_back < LAG_LOOKS
        block, seen = below[-1]
        return (latest.hash if block == latest.block else self._ledger.block_hash(block)) in (seen, None)

    def _continues(self, latest: Head) -> bool:
        """The last block known, or the one upon it."""
        if not self._checkpoints:
            return False
        block, seen = self._checkpoints[-1]
        return (latest.block, latest.hash) == (block, seen) or (latest.block, latest.parent) == (block + 1, seen)

    def _read_on(self, latest: Head) -> tuple[Kind, ...]:
        last = self._checkpoints[-1][0] if self._checkpoints else -1
        start = max(0, last + 1 - LAG_BLOCKS)
        # what stands up to the last checkpoint stands, whether or not this node has it yet; those of blocks after the
        # head are read next time, when their block is known
        known = {(event.block, event.log_index): event for event in self.events if event.block <= last}
        for event in self._ledger.events(self._task, start, self._client):
            if isinstance(event, self._kind) and event.block <= latest.block:
                known.setdefault((event.block, event.log_index), event)
        self._keep(latest)
        return tuple(known[place] for place in sorted(known))

    def _keep(self, latest: Head) -> None:
        if latest.block > self.head:
            self._checkpoints = [*self._checkpoints[-MAX_CHECKPOINTS + 1 :], (latest.block, latest.hash)]
        block, digest = self._checkpoints[0]  # the one that a reorganisation reaches last
        if self._file is not None and block >= self._saved + SAVED_BLOCKS:
            self._saved = block
            with suppress(OSError):  # it is a copy
                self._file.save(block, digest, tuple(event for event in self.events if event.block <= block))


def _common(before: tuple[Event, ...], after: tuple[Event, ...]) -> int:
    for count, (one, other) in enumerate(zip(before, after, strict=False)):
        if one is not other and one != other:
            return count
    return min(len(before), len(after))
