"""The reference in this process and the contract on an EVM, told the same and held to say, show and hold the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from protocol.identifiers import NATIVE_COIN, Address
from protocol.messages.chain import (
    BondView,
    EnrolmentView,
    Event,
    LedgerRules,
    RoundView,
    Standing,
    TaskView,
)
from storage.ledger.ethereum.decoding import struct
from storage.ledger.ethereum.writer import LedgerWriter
from storage.ledger.interface import TransactionReceipt, TransactionRevertedError
from tests.contracts.anvil_side import FUNDS, START, AnvilSide, ContractSide, View
from tests.contracts.rebuilt import RULES, kept, rebuild
from tests.reference_ledger.books import Books
from tests.reference_ledger.chain import MemoryChain
from tests.reference_ledger.ledger import MemoryLedger

ROUNDS: Final = 3


class Sides:
    """Until :meth:`close`, which leaves the anvil as it was. ``rich`` are the AnvilSide's, ``poor`` the others."""

    def __init__(self, anvil: AnvilSide, rich: Sequence[Address], poor: Sequence[Address]) -> None:
        self._anvil, self._snapshot = anvil, anvil.ask("evm_snapshot")
        self.token = anvil.token
        self._parties = [*rich, *poor]
        self._holdings = [(t, h) for t in (NATIVE_COIN, self.token) for h in (*self._parties, anvil.ledger)]
        self.agree = True  # as far as they were asked
        anvil.now = START
        held = dict.fromkeys(rich, FUNDS)
        self.memory = MemoryChain(anvil.domain, lambda: anvil.now, held=held, rules=RULES, ancestry=anvil)
        self.memory.issue(self.token, dict.fromkeys(rich, FUNDS))
        for sender in rich:
            self.memory.approve(sender, self.token, FUNDS)
            ContractSide(anvil, sender).approve(self.token, FUNDS)

    @property
    def books(self) -> Books:
        return self.memory.books

    @property
    def now(self) -> int:
        return self._anvil.now

    def height(self) -> int:
        """Number of the block that the next call is in."""
        return self._anvil.number()

    def pass_to(self, instant: int) -> None:
        self._anvil.now = max(instant, self.now)

    def mine(self, count: int = 1) -> None:
        """Blocks without a call. The reference is told the contract's, so it needs none of its own."""
        self._anvil.mine_empty(count)

    def tell(self, sender: Address, call: str, *arguments: Any) -> bool:
        """``call`` is a method of the port's writing half. False when both sides refuse it, for the same reason."""
        self.agree = False
        ours, theirs = MemoryLedger(self.memory, sender), ContractSide(self._anvil, sender)
        reference, contract = (_told(side, call, arguments) for side in (ours, theirs))
        assert _said(reference) == _said(contract), f"{call}{arguments}"
        refused = isinstance(reference, TransactionRevertedError)
        if not refused:
            self._compare_views()
            times = [block.timestamp for block in self.memory.blocks]
            assert kept(rebuild(MemoryLedger(self.memory, sender).events(), times)) == kept(self.books)
        self.agree = True
        return not refused

    def ban(self, token: Address, holder: Address, banned: bool) -> None:
        """From now on, or no longer, the holder can be sent none of this token, or of the coin."""
        self._anvil.ban(token, holder, banned)
        self.memory.ban(token, holder, banned)

    def close(self) -> None:
        self._anvil.ask("evm_revert", self._snapshot)

    def _compare_views(self) -> None:
        asked: list[tuple[View, Any]] = [(("taskCount", ()), len(self.books.tasks))]
        for task, shown in self.books.tasks.items():
            asked.append((("taskOf", (task,)), shown))
            numbers = range(ROUNDS + 1)
            asked += [(("roundOf", (task, number)), self.books.rounds[task, number]) for number in numbers]
            for party in self._parties:
                asked.append((("enrolmentOf", (task, party)), self.books.enrolments[task, party]))
                asked.append((("bondOf", (task, party)), self.books.bonds[task, party]))
                asked.append((("creditOf", (task, party)), self.books.credits[task, party]))
                asked.append((("signerOf", (task, party)), self.books.signers[task, party]))
                where = (task, shown.last_round, party)
                asked.append((("hasCommittedDirectly", where), self.books.committed[where]))
                asked.append((("isCompensated", where), self.books.compensated[where]))
        asked += [(("standingOf", (party,)), self.books.standings[party]) for party in self._parties]
        shown_there, held = self._anvil.views([view for view, _ in asked], self._holdings)
        for (view, expected), values in zip(asked, shown_there, strict=True):
            assert _of_kind(type(expected), values) == expected, view
        assert held == [self.books.held[holding] for holding in self._holdings]


def _told(side: LedgerWriter, call: str, arguments: tuple[Any, ...]) -> TransactionReceipt | TransactionRevertedError:
    try:
        receipt: TransactionReceipt = getattr(side, call)(*arguments)
    except TransactionRevertedError as refusal:
        return refusal
    return receipt


def _said(outcome: TransactionReceipt | TransactionRevertedError) -> tuple[object, ...]:
    if isinstance(outcome, TransactionRevertedError):
        return outcome.name, outcome.arguments
    return tuple((type(event), {name: getattr(event, name) for name in _own(event)}) for event in outcome.logs)


def _own(event: Event) -> list[str]:
    return [name for name in type(event).__annotations__ if name not in Event.__annotations__]


def _of_kind(kind: type[Any], values: tuple[Any, ...]) -> object:
    if kind in (TaskView, RoundView, EnrolmentView, BondView, Standing, LedgerRules):
        return struct(kind, values[0])
    return values[0]
