"""Seeded faults: what a network, a disk and a chain may do to any message, and a process to itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

import httpx2

from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.domain import uint256
from protocol.identifiers import Address
from protocol.messages.chain import Event
from storage.content.interface import ContentMissingError, StoreUnavailableError
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.interface import Head, Ledger, LedgerError, PreparedTransaction, TransactionReceipt
from storage.ledger.signer import Signer
from storage.records.interface import MAX_BLOB_BYTES, Change, EntryT
from storage.records.memory import MemoryRecords
from tests.reference_ledger.books import Books
from tests.reference_ledger.chain import MemoryChain
from tests.reference_ledger.ledger import MemoryLedger

OFF: Final = (3_600, -3_600, 86_400, -86_400)
T = TypeVar("T")


class KilledError(BaseException):
    """The process is gone at this line: nobody but the simulation may catch it."""


@dataclass
class Faults:
    """``calm``: nothing goes wrong by chance any more. ``told``: how often each fault struck.

    ``lives``: every process lives for one change of its records at a time, and dies right ``after`` it is durable, or
    right ``before`` the next one. ``clocks_off``: no party's own clock is right.
    """

    random: Random
    calm: bool = False
    clocks_off: bool = False
    lives: str | None = None
    told: dict[str, int] = field(default_factory=dict)

    def off_of(self, party: Address) -> int:
        """Seconds by which its clock is ahead."""
        return OFF[party[0] % len(OFF)] if self.clocks_off else 0

    def strikes(self, what: str, one_in: int) -> bool:
        if self.calm or self.random.randrange(one_in):
            return False
        self.told[what] = self.told.get(what, 0) + 1
        return True


class SeededChain(MemoryChain):
    """Its block hashes, which draw cohorts, hang on who calls what and when, and not on what is sent: envelopes are
    sealed with the system's randomness, and the same seed is to do the same. A branch has hashes of its own."""

    branches = 0

    def running(self) -> float:
        """Seconds, of nothing but the world's time that passes."""
        return self._clock()

    def ledger_of(self, signer: Signer, faults: Faults) -> Ledger:
        """As one party reaches it."""
        return UnreliableLedger(self, signer.address, faults)

    def forget(self, height: int) -> None:
        self.branches += 1
        super().forget(height)

    def _append(
        self,
        books: Books,
        sender: Address | None,
        data: bytes,
        said: list[tuple[type[Event], dict[str, Any]]] | None = None,
    ) -> TransactionReceipt:
        return super()._append(books, sender, data[:4] + uint256(self.branches), said)


class UnreliableLedger(MemoryLedger):
    """A transaction may be lost, or its answer; a question may stay unanswered. It tells time as a real ledger does."""

    def __init__(self, chain: SeededChain, sender: Address, faults: Faults) -> None:
        super().__init__(chain, sender)
        self._faults = faults
        self._clock = BlockClock(chain.running, lambda: chain.running() + faults.off_of(sender))

    def now(self) -> int:
        latest = self._chain.blocks[-1]
        self._clock.see(latest.hash, latest.timestamp)
        if self._clock.wants_node_time():
            self._clock.hear(self._chain.now())
        return self._clock.now()

    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        if self._faults.strikes("transaction lost", 12):
            raise LedgerError("simulated: the transaction is lost")
        receipt = super().send_prepared(prepared)
        if self._faults.strikes("receipt lost", 12):
            raise LedgerError("simulated: the receipt is lost")
        return receipt

    def head(self) -> Head:
        if self._faults.strikes("node silent", 30):
            raise LedgerError("simulated: the node does not answer")
        return super().head()

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        if self._faults.strikes("logs silent", 30):
            raise LedgerError("simulated: no logs")
        return super().events(task, from_block, client)


class UnreliableStore:
    """One store for everybody. ``withheld``: content that nobody gives away any more."""

    def __init__(self, objects: MemoryStore, faults: Faults) -> None:
        self.objects, self.withheld = objects, set[str]()
        self._faults = faults

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        if self._faults.strikes("store away", 40):
            raise StoreUnavailableError("simulated: the store is away")
        cid = self.objects.put(data, chunk_bytes)
        self.withheld.discard(cid.text)  # whoever has it again keeps it
        return cid

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        if self._faults.strikes("store away", 40):
            raise StoreUnavailableError("simulated: the store is away")
        if cid.text in self.withheld:
            raise ContentMissingError(f"simulated: {cid.text} is withheld")
        return self.objects.get(cid, max_bytes, chunk_bytes)


class MortalRecords:
    """Records of one process, which may be killed right before or right after anything is kept."""

    def __init__(self, records: MemoryRecords, faults: Faults) -> None:
        self._records, self._faults, self._changes = records, faults, 0

    def append(self, change: Change, after: int) -> None:
        if (self._faults.lives == "before" and self._changes) or self._faults.strikes("killed before a record", 30):
            raise KilledError
        self._records.append(change, after)
        self._changes += 1
        if self._faults.lives == "after" or self._faults.strikes("killed after a record", 30):
            raise KilledError

    def read(self, types: Sequence[type[EntryT]], after: int = 0) -> Iterator[EntryT]:
        return self._records.read(types, after)

    def blob(self, name: str, max_bytes: int = MAX_BLOB_BYTES) -> bytes:
        return self._records.blob(name, max_bytes)

    def claim(self, name: str, holder: str, until: int, now: int) -> bool:
        return self._records.claim(name, holder, until, now)

    def close(self) -> None:
        """What was kept stays."""


class Network:
    """Messages between parties: lost, their answers lost, doubled, or late and so in another order."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._late: list[Callable[[], Awaitable[object]]] = []

    async def send(self, deliver: Callable[[], Awaitable[T]], lost: Callable[[str], Exception]) -> T:
        """Raises what ``lost`` makes of a message or an answer that does not arrive."""
        if self._faults.strikes("message lost", 12):
            raise lost("simulated: the message is lost")
        if self._faults.strikes("message late", 12):
            self._late.append(deliver)
            raise lost("simulated: the message is late")
        if self._faults.strikes("message doubled", 10):
            await deliver()
        answer = await deliver()
        if self._faults.strikes("answer lost", 12):
            raise lost("simulated: the answer is lost")
        return answer

    async def deliver_late(self) -> None:
        """One of the late messages arrives, whichever; nobody waits for its answer any more."""
        if self._late:
            try:
                await self._late.pop(self._faults.random.randrange(len(self._late)))()
            except httpx2.HTTPError:
                pass  # its receiver is gone
