"""The ledger port in this process: what the contract is measured against, and stands in for it nowhere else.

Nobody signs transactions or pays for gas here; messages are signed and verified as everywhere.
"""

from __future__ import annotations

from copy import copy

from protocol.domain import Domain
from protocol.identifiers import NATIVE_COIN, Address, Digest
from protocol.messages.chain import BondView, EnrolmentView, Event, LedgerRules, RoundView, Standing, TaskView
from protocol.messages.following import concerns
from storage.ledger.ethereum.writer import LedgerWriter
from storage.ledger.interface import Head, LedgerError, PreparedTransaction, TransactionReceipt
from tests.reference_ledger.books import Books
from tests.reference_ledger.chain import Block, MemoryChain


class MemoryLedger(LedgerWriter):
    """The port for one account of a MemoryChain. Gas is free: receipts say 0."""

    def __init__(self, chain: MemoryChain, sender: Address) -> None:
        self._chain, self._sender = chain, sender
        self.ledger = chain.domain.ledger
        self._confirmations = 0

    @property
    def domain(self) -> Domain:
        return self._chain.domain

    @property
    def sender(self) -> Address:
        return self._sender

    def confirmed(self, confirmations: int) -> MemoryLedger:
        """Its calls bring the blocks along that they wait for."""
        other = copy(self)
        other._confirmations = confirmations
        return other

    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        if prepared.to != self.ledger:
            raise LedgerError("the prepared transaction goes to another address than the ledger")
        return self._buried(self._chain.call(self.sender, prepared.data, prepared.value_wei))

    def approve(self, token: Address, amount: int) -> TransactionReceipt:
        return self._buried(self._chain.approve(self.sender, token, amount))

    def transfer(self, to: Address, amount_wei: int) -> TransactionReceipt:
        """Sends plain money."""
        return self._buried(self._chain.transfer(self.sender, to, amount_wei))

    def now(self) -> int:
        return self._chain.now()

    def block_number(self) -> int:
        return len(self._chain.blocks) - 1

    def head(self) -> Head:
        *before, last = self._chain.blocks[-2:]
        parent = before[0].hash if before else b""
        return Head(self.block_number(), last.hash, self.now(), parent, not last.events, last.timestamp)

    def makes_blocks_on_demand(self) -> bool:
        return True

    def block_timestamp(self, block: int) -> int:
        return self._block(block).timestamp

    def block_hash(self, block: int) -> Digest | None:
        return self._block(block).hash if block <= self.block_number() else None

    def code(self, contract: Address | None = None) -> bytes:
        """None: no code is here."""
        return b""

    def balance(self, address: Address, token: Address = NATIVE_COIN) -> int:
        return self._books.held[token, address]

    def allowance(self, token: Address, owner: Address) -> int:
        return self._books.allowed[token, owner]

    def prepare(self) -> None:
        """Nothing is loaded late here."""

    def fee_wei(self, gas: int) -> int:
        """Nothing: gas is free."""
        return 0

    def task_count(self) -> int:
        return len(self._books.tasks)

    def task(self, task: int) -> TaskView:
        return self._books.known(task)

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        books = self._block(max(0, self.block_number() - confirmations)).books
        books.known(task)
        return books.rounds[task, round_number]

    def enrolment(self, task: int, client: Address) -> EnrolmentView:
        self._books.known(task)
        return self._books.enrolments[task, client]

    def has_committed_directly(self, task: int, round_number: int, client: Address) -> bool:
        return self._books.committed[task, round_number, client]

    def claimed(self, task: int, client: Address) -> int:
        return self.enrolment(task, client).claimed

    def is_compensated(self, task: int, round_number: int, client: Address) -> bool:
        return self._books.compensated[task, round_number, client]

    def signer(self, task: int, client: Address) -> Address:
        return self._books.signer_of(task, client)

    def bond(self, task: int, holder: Address) -> BondView:
        return self._books.bonds[task, holder]

    def credit(self, task: int, holder: Address) -> int:
        return self._books.credits[task, holder]

    def standing(self, client: Address) -> Standing:
        return self._books.standings[client]

    def rules(self) -> LedgerRules:
        return self._chain.rules

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        events = [
            event
            for block in self._chain.blocks[from_block:]
            for event in block.events
            if client is None or concerns(event, client)
        ]
        # every event has its task, as the contract's have it as their first topic
        return [event for event in events if task in (None, event.task)]  # type: ignore[attr-defined]

    @property
    def _books(self) -> Books:
        return self._chain.books

    def _block(self, number: int) -> Block:
        if not 0 <= number <= self.block_number():
            raise LedgerError(f"no block {number}")
        return self._chain.blocks[number]

    def _buried(self, receipt: TransactionReceipt) -> TransactionReceipt:
        for _ in range(self._confirmations):
            self._chain.mine()
        return receipt
