"""A chain without an EVM: blocks of one call each, carried out by the contract's rules in Python, free of charge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from protocol.domain import Domain, uint256
from protocol.identifiers import NATIVE_COIN, ZERO_DIGEST, Address, Digest
from protocol.keccak import keccak
from protocol.messages.chain import (
    DEFAULT_RULES,
    Event,
    LedgerRules,
    Publication,
    TaskTerms,
)
from protocol.messages.settlement import Entitlement
from protocol.messages.submission import Commitment, Enrolment
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.calls import encode_token_call
from storage.ledger.interface import LedgerError, TransactionReceipt
from tests.reference_ledger.accounting import Ancestry
from tests.reference_ledger.books import Books, refuse
from tests.reference_ledger.deposits import Deposits
from tests.reference_ledger.disputes import Disputes
from tests.reference_ledger.enrolments import Enrolments
from tests.reference_ledger.judge import leaf_of, place_of
from tests.reference_ledger.payouts import Payouts
from tests.reference_ledger.rounds import HASHES, Rounds
from tests.reference_ledger.tasks import Tasks


class Contract(Tasks, Enrolments, Rounds, Payouts, Deposits, Disputes):
    """HearthLedger as a whole."""


_FUNCTIONS: Final[dict[str, Callable[..., None]]] = {
    "postTask": lambda ledger, terms: ledger.post_task(TaskTerms(*terms)),
    "enrol": lambda ledger, messages, signatures: ledger.enrol([Enrolment(*one) for one in messages], signatures),
    "enrolWithVouchers": lambda ledger, messages, signatures, vouchers: ledger.enrol(
        [Enrolment(*one) for one in messages], signatures, vouchers
    ),
    "leave": Contract.leave,
    "postRoster": Contract.post_roster,
    "drawCohort": Contract.draw_cohort,
    "openRound": Contract.open_round,
    "commitBatch": Contract.commit_batch,
    "commitDirect": lambda ledger, message, signature, place: ledger.commit_direct(
        Commitment(*message), signature, place_of(place)
    ),
    "requestScreening": Contract.request_screening,
    "requestKey": Contract.request_key,
    "publishRound": lambda ledger, task, number, said: ledger.publish_round(task, number, Publication(*said)),
    "abandonRound": Contract.abandon_round,
    "expireRound": Contract.expire_round,
    "claim": lambda ledger, task, leaf, proof: ledger.claim(task, (leaf[0], Entitlement(*leaf[1:])), proof),
    "claimMany": lambda ledger, task, leaves, proof, flags: ledger.claim_many(
        task, [(leaf[0], Entitlement(*leaf[1:])) for leaf in leaves], proof, flags
    ),
    "refund": Contract.refund,
    "placeBond": Contract.place_bond,
    "returnBond": Contract.return_bond,
    "returnStake": Contract.return_stake,
    "dispute": Contract.dispute,
    "compensate": lambda ledger, task, number, client, place, leaf: ledger.compensate(
        task, number, client, place_of(place), leaf_of(leaf)
    ),
    "withdraw": Contract.withdraw,
}
_PAYABLE: Final = frozenset({"postTask", "enrol", "enrolWithVouchers", "placeBond"})


@dataclass(frozen=True, slots=True)
class Block:
    """``books`` are those after it; nobody changes them any more."""

    hash: Digest
    timestamp: int
    books: Books
    events: tuple[Event, ...] = ()
    sender: Address | None = None  # of its transaction; None in an empty block


class MemoryChain:
    """A chain with one HearthLedger, at ``domain``. ``clock`` gives seconds; ``held`` is all its money, in wei.
    ``ancestry``: another chain whose blocks' numbers and hashes its contract is told instead of its own.

    Raises TransactionRevertedError for rules that the contract's constructor refuses. Not for threads.
    """

    def __init__(
        self,
        domain: Domain,
        clock: Callable[[], float],
        *,
        held: Mapping[Address, int],
        rules: LedgerRules = DEFAULT_RULES,
        ancestry: Ancestry | None = None,
    ) -> None:
        if rules.floor > rules.maximum:
            refuse("TermsInvalid", "floor")
        if not rules.waiting_seconds:
            refuse("TermsInvalid", "waitingSeconds")
        self.domain, self.rules = domain, rules
        self._clock, self._offset = clock, 0
        self._ancestry = ancestry or self
        books = Books.empty()
        books.held.update({(NATIVE_COIN, holder): amount for holder, amount in held.items()})
        self.blocks = [Block(ZERO_DIGEST, int(clock()), books)]

    @property
    def books(self) -> Books:
        return self.blocks[-1].books

    def now(self) -> int:
        """Timestamp of the next block."""
        return max(int(self._clock()) + self._offset, self.blocks[-1].timestamp)

    def number(self) -> int:
        """That of the next block."""
        return len(self.blocks)

    def hash_of(self, number: int) -> Digest:
        """As a call in the next block is told it."""
        told = self.number() - HASHES <= number < self.number()
        return self.blocks[number].hash if told else ZERO_DIGEST

    def pass_time(self, seconds: int) -> None:
        """All later blocks are this much later."""
        self._offset += seconds

    def mine(self) -> None:
        self._append(self.books, None, b"")

    def forget(self, height: int) -> None:
        """A reorganisation: whatever came after block ``height`` never was."""
        del self.blocks[height + 1 :]

    def issue(self, token: Address, shares: Mapping[Address, int]) -> None:
        """From now on there is an ERC-20 at this address, and these hold so much more of it."""
        books = self.books.copy()
        books.tokens |= {token}
        for holder, amount in shares.items():
            books.held[token, holder] += amount
        self._append(books, None, token)

    def ban(self, token: Address, holder: Address, banned: bool) -> None:
        """From now on, or no longer, nothing of this token, or of the coin, reaches the holder."""
        books = self.books.copy()
        books.banned = books.banned | {(token, holder)} if banned else books.banned - {(token, holder)}
        self._append(books, None, holder)

    def call(self, sender: Address, data: bytes, value: int) -> TransactionReceipt:
        """A call of the ledger. Raises TransactionRevertedError, or LedgerError; then there is no new block."""
        entry = next((entry for entry in abi.functions().values() if entry.hash[:4] == data[:4]), None)
        if entry is None or entry.name not in _FUNCTIONS or (value and entry.name not in _PAYABLE):
            raise LedgerError("not a call of the contract")
        books = self.books.copy()
        if not books.move(NATIVE_COIN, sender, self.domain.ledger, value):
            raise LedgerError("the sender has less than it sends")
        contract = Contract(self.domain, self.rules, books, sender, value, self.now(), self._ancestry)
        _FUNCTIONS[entry.name](contract, *abi.decode(entry.inputs, data[4:]))
        return self._append(books, sender, data, contract.events)

    def transfer(self, sender: Address, payee: Address, amount: int) -> TransactionReceipt:
        books = self.books.copy()
        if not books.move(NATIVE_COIN, sender, payee, amount):
            raise LedgerError("the sender has less than it sends")
        return self._append(books, sender, payee)

    def approve(self, sender: Address, token: Address, amount: int) -> TransactionReceipt:
        books = self.books.copy()
        books.allowed[token, sender] = amount
        return self._append(books, sender, encode_token_call("approve", self.domain.ledger, amount))

    def _append(
        self,
        books: Books,
        sender: Address | None,
        data: bytes,
        said: list[tuple[type[Event], dict[str, Any]]] | None = None,
    ) -> TransactionReceipt:
        number, timestamp = len(self.blocks), self.now()
        transaction = keccak(uint256(number) + (sender or b"") + data)
        events = tuple(
            kind(block=number, log_index=index, transaction=transaction, **fields)
            for index, (kind, fields) in enumerate(said or ())
        )
        block_hash = keccak(self.blocks[-1].hash + uint256(timestamp) + transaction)
        self.blocks.append(Block(block_hash, timestamp, books, events, sender))
        return TransactionReceipt(transaction, number, 0, events)
