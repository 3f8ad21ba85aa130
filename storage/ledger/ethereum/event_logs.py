"""The contract's events from a node's logs, by as few queries as its limits allow.

A task's events lie between the block that posted it and the one with which the ledger's word for it is complete. The
first is found by halving, where the node serves history; the second by computing that word or, for who reads the events
of one client alone, by halving too. So what a long chain holds before and behind a task is not read.
"""

from __future__ import annotations

from collections.abc import Callable

from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.messages.chain import Event
from protocol.task.word import next_word
from storage.ledger.ethereum.calls import encode_call
from storage.ledger.ethereum.decoding import decode_logs, event_digest
from storage.ledger.ethereum.log_ranges import LogRanges
from storage.ledger.ethereum.log_topics import Wanted
from storage.ledger.ethereum.node import Block, Node
from storage.ledger.ethereum.rpc import AnswerTooLargeError, RpcRefusedError
from storage.ledger.interface import LedgerError, TransactionRevertedError

WORTH_A_SEARCH = 8  # queries that it may save


class EventLogs:
    """Of one ledger, as of block ``at``. ``first_block``: nothing is earlier. ``word`` is what the ledger keeps for a
    task, as of ``at`` or of an earlier block; ``time`` the timestamp of a block. ``ranges`` is kept over calls; may be
    shared by threads.
    """

    def __init__(
        self,
        node: Node,
        ledger: Address,
        at: Block,
        first_block: int,
        ranges: LogRanges,
        word: Callable[[int, Block | None], Digest],
        time: Callable[[int], int],
    ) -> None:
        self._node, self._ledger, self._at, self._first_block = node, ledger, at, first_block
        self._ranges, self._word, self._time = ranges, word, time
        self._head = 0  # the last block that is known to be there

    def saw(self, head: int) -> None:
        """The node's last block, which spares the question for it."""
        self._head = head

    def of(self, wanted: Wanted, from_block: int) -> list[Event]:
        """One query when the node answers for everything up to its latest block; ranges when it refuses to."""
        start = max(from_block, self._first_block)
        if self._ranges.blocks is None or self._head - start < self._ranges.blocks:
            try:
                return self._query(wanted, start, self._at)
            except (RpcRefusedError, AnswerTooLargeError) as error:
                if start > self._last():
                    return []  # some nodes refuse what others answer with nothing
                self._ranges.refused(start, self._head, error)
        return self._by_ranges(wanted, start, self._last())

    def _last(self) -> int:
        self._head = self._at if isinstance(self._at, int) else self._node.block_number()
        return self._head

    def _by_ranges(self, wanted: Wanted, start: int, last: int) -> list[Event]:
        if (last - start) // self._blocks > WORTH_A_SEARCH:
            start = self._beginning(wanted.task, start, last)
        if (last - start) // self._blocks > WORTH_A_SEARCH and wanted.client is not None:
            last = self._ending(wanted.task, start, last)
        events, times = list[Event](), dict[int, int]()
        while start <= last:
            end = min(start + self._blocks - 1, last)
            try:
                found = self._query(wanted, start, end)
            except (RpcRefusedError, AnswerTooLargeError) as error:
                self._ranges.refused(start, end, error)
                continue
            events += found
            self._ranges.answered(end - start + 1)
            start = end + 1
            untimed = {event.block for event in found} - times.keys()
            worth = (last - end) // self._blocks > WORTH_A_SEARCH + len(untimed) and wanted.client is None
            if found and worth and self._is_all(wanted.task, events, times):
                break
        return events

    @property
    def _blocks(self) -> int:
        return self._ranges.blocks or 2**62

    def _beginning(self, task: int | None, start: int, last: int) -> int:
        """The first block from ``start`` on by whose end the task is posted, or the contract there; ``start`` itself
        where the node has no state of so old blocks."""
        try:
            if self._is_there(task, start):
                return start
            while start < last:
                middle = (start + last) // 2
                start, last = (start, middle) if self._is_there(task, middle) else (middle + 1, last)
        except (LedgerError, TransactionRevertedError):
            return start
        if task is None:
            self._first_block = start
        return start

    def _ending(self, task: int | None, start: int, last: int) -> int:
        """The first block from ``start`` on by whose end the task's word is what it is at ``last``: nothing of it comes
        later. ``last`` itself where the node does not show that the word was another one before."""
        if task is None:
            return last
        try:
            word = self._word(task, last)
            if self._word(task, start) == word:  # a node without history may tell of the last block whatever is asked
                return last
            low, high = start, last
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if self._word(task, middle) == word else (middle + 1, high)
        except (LedgerError, TransactionRevertedError):
            return last
        return low

    def _is_there(self, task: int | None, block: int) -> bool:
        if task is None:
            return bool(self._node.code(self._ledger, block))
        return self._tasks(block) >= task

    def _tasks(self, block: Block) -> int:
        """How many are posted by the end of the block; none where there is no contract."""
        return int.from_bytes(self._node.call(self._ledger, encode_call("taskCount"), block))

    def _is_all(self, task: int | None, events: list[Event], times: dict[int, int]) -> bool:
        """Whether the ledger's words, for the task or for every one, stand for just these events."""
        said: dict[int, Digest] = {}
        for event in events:
            if event.block not in times:
                times[event.block] = self._time(event.block)
            of: int = getattr(event, "task", 0)
            said[of] = next_word(said.get(of, ZERO_DIGEST), times[event.block], event_digest(event))
        tasks = range(1, self._tasks(self._at) + 1) if task is None else (task,)
        return said.keys() == set(tasks) and all(said[of] == self._word(of, None) for of in tasks)

    def _query(self, wanted: Wanted, start: int, end: Block) -> list[Event]:
        events = list(decode_logs(self._node.logs(self._ledger, start, end, wanted.topics()), self._ledger))
        for event in events:
            if event.block < start or (isinstance(end, int) and event.block > end):
                raise LedgerError("a log outside the blocks asked for")
            if not wanted.takes(event):
                raise LedgerError("a log of another task or client than asked for")
        return events
