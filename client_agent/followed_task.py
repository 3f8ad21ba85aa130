"""One task as its phone reads it: the state that every party folds, with the few documents that a phone needs.

A phone fetches a document only when it needs it. One that cannot be read is a value in the state and stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from structlog.contextvars import bind_contextvars

from protocol.errors import HearthError, Party
from protocol.identifiers import Address
from protocol.messages.chain import Event
from protocol.task.documents import Absent, Delivered, Kind, Lack
from protocol.task.fold import BlockMined, fold
from protocol.task.margins import pace_blocks
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.ledger.deposits import money
from storage.ledger.follower import EventFollower
from storage.ledger.interface import Head, LedgerReader
from storage.task_reader import TaskReader, look_up


class DocumentAbsentError(HearthError):
    """A document without which this phone cannot go on cannot be read now. It may come later, or never."""

    code = "E_DOCUMENT_ABSENT"

    def __init__(self, kind: Kind, absent: Absent) -> None:
        fault = Party.MANUFACTURER if kind is Kind.SPEC else Party.EDGE_SERVER
        if absent.lack is Lack.CORRUPT:
            fault = Party.CONTENT_STORE
        where = "; is this the content store of the task?" if kind is Kind.SPEC else ""
        super().__init__(f"{kind.value} {absent.digest.hex()} is {absent.lack}{where}", fault=fault)


class FollowedTask:
    """``state`` is as of the last :meth:`refresh` and the last documents read, and of ``client`` alone: what is read
    for it does not grow with the number of clients. Not for threads.
    """

    def __init__(
        self,
        ledger: LedgerReader,
        store: ContentStore,
        task: int,
        client: Address,
        look: Callable[[], Head] | None = None,
    ) -> None:
        self._ledger, self._store = ledger, store
        self._follower = EventFollower(ledger, task, Event, look, client=client)
        self._reader = TaskReader(store, task, (), client)  # nothing is fetched unasked
        self._counted_at: int | None = None  # the block of a count that a reorganisation may change

    @property
    def state(self) -> TaskState:
        return self._reader.state

    @property
    def events(self) -> Sequence[Event]:
        """Those that concern the client, in their order, as of the last :meth:`refresh`."""
        return self._follower.events

    @property
    def now(self) -> int:
        """Seconds, as of the last :meth:`refresh` that reached the chain; 0 before the first."""
        return self._follower.now

    def clock(self) -> int:
        """Block time in seconds, of this moment; the state stays as it was. Raises LedgerError."""
        return self._ledger.now()

    def refresh(self) -> TaskState:
        """Reads on; what the chain took back is gone. Raises LedgerError."""
        self._follower.refresh()
        self._reader.follow(self._follower.events)
        # whatever this phone logs from here on is of this task and round
        bind_contextvars(task=self.state.task, round=len(self.state.rounds))
        last, current = self.state.last_settled(), self.state.current
        blocks = set(pace_blocks(current.opened.block)) if current else set[int]()
        if last is not None and last.settled is not None and self.state.payable_from() is None:
            blocks.add(last.settled.block)
        for block in sorted(blocks - self.state.times.keys()):
            self._reader.add(BlockMined(block, self._ledger.block_timestamp(block)))
        self._count()
        return self.state

    def whole(self) -> TaskState:
        """The state by all events of the task up to the last :meth:`refresh`, with the documents and times of this one.

        Downloads as much as there are clients: for who has to derive a cohort by itself. Raises LedgerError.
        """
        state, head = self.state, self._follower.head
        events = (event for event in self._ledger.events(state.task) if event.block <= head)
        times = (BlockMined(block, time) for block, time in state.times.items())
        return fold(state.task, (*events, *times), state.documents)

    def _count(self) -> None:
        """How many had enrolled once nobody is waited for: with too few no round is ever opened.

        A reorganisation that changes it may change nothing else of what this client sees. So it is asked for again when
        the task's confirmations lie upon the first answer.
        """
        state, head = self.state, self._follower.head
        if state.posted is None or state.rounds or self.now <= state.enrol_until:
            return
        if state.counted is None:
            self._counted_at = head
        depth = 1 if isinstance(state.spec, Absent) else max(1, state.spec.confirmations)
        due = self._counted_at is not None and head >= self._counted_at + depth
        if state.counted is None or state.lacks_clients or due:
            self._counted_at = None if due else self._counted_at
            self._reader.count(self._ledger.task(state.task).enrolled)

    def read(self, number: int, *kinds: Kind) -> TaskState:
        """Looks for these documents of a round, as far as they are named and may come; one may name the next.

        Round 0 is the task itself. Raises StoreUnavailableError when the store as a whole cannot be asked.
        """
        for kind in kinds:
            for wanted in self.state.wanted_of(number) if number else self.state.wanted(len(self.state.rounds) + 1):
                found = self.state.documents.get((kind, wanted.digest))
                final = found is not None and not (isinstance(found, Absent) and found.lack is not Lack.MALFORMED)
                if wanted.kind is kind and not final:
                    self._reader.add(Delivered(wanted, look_up(self._store, wanted)))
        return self.state

    def is_buried(self, event: Event) -> bool:
        """The task's confirmations lie upon it: it counts as what will not change any more."""
        spec = self.state.spec
        return not isinstance(spec, Absent) and event.block <= self._follower.deep(spec.confirmations)

    def is_past(self, instant: int) -> bool:
        """A block later than ``instant``, in seconds, is as deep: whatever came in time is known. Raises LedgerError.

        The phone's own clock says nothing of that.
        """
        spec = self.state.spec
        deep = -1 if isinstance(spec, Absent) else self._follower.deep(spec.confirmations)
        return deep >= 0 and self._ledger.block_timestamp(deep) > instant

    def money(self, amount: int) -> str:
        """For the owner to read, once a round was opened: in the task's coin or token."""
        posted = self.state.posted
        assert posted is not None  # there was a round
        return money(amount, posted.terms.token)
