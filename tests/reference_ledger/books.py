"""The ledger contract's books as plain tables, with the checks and the money moves that its functions share.

With the other modules of this folder the executable specification of contracts/src (here LedgerState and Payments): the
same names, the same order of checks. Left out: arithmetic that leaves Solidity's types, gas, tokens that keep some of
the money, payees that call again while they are paid.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Annotated, Any, Final, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from protocol import signing
from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.identifiers import NATIVE_COIN, ZERO_DIGEST, Address
from protocol.messages.chain import (
    BondView,
    Credited,
    EnrolmentView,
    Event,
    ReputationRules,
    RoundView,
    StakeReturned,
    Standing,
    TaskTerms,
    TaskView,
)
from protocol.round.state_table import RoundState
from protocol.task.word import next_word
from storage.ledger.ethereum.decoding import event_digest
from storage.ledger.interface import TransactionRevertedError

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")
View = TypeVar("View", TaskTerms, TaskView, RoundView, EnrolmentView, BondView, Standing)

RUNNING: Final = (RoundState.OPEN, RoundState.REQUESTED)


class Role(IntEnum):
    """Values are those of ``IHearthTypes.Role``."""

    NONE = 0
    EDGE_SERVER = 1
    AUTHORITY = 2


class Mapped(dict[Key, Row]):
    """Solidity's mapping: what nobody wrote reads as zero. Rows are replaced and never changed, so a copy stands."""

    def __init__(self, zero: Row, rows: Mapping[Key, Row] | Iterable[tuple[Key, Row]] = ()) -> None:
        super().__init__(rows)
        self.zero = zero

    def __missing__(self, key: Key) -> Row:
        return self.zero

    def copy(self) -> Mapped[Key, Row]:
        return Mapped(self.zero, self)


@dataclass
class Books:
    """Everything that the contract keeps, and who holds how much of what: ``held`` and ``allowed`` are by token and
    holder, ``allowed`` is what the ledger may fetch. ``tokens`` are the addresses with an ERC-20; who is ``banned``, by
    token and holder, is sent none of it."""

    tasks: Mapped[int, TaskView]
    terms: Mapped[int, TaskTerms]
    authorities_missing: Mapped[int, int]
    rosters: Mapped[int, int]  # posted for the window that comes
    rounds: Mapped[tuple[int, int], RoundView]
    enrolments: Mapped[tuple[int, Address], EnrolmentView]
    committed: Mapped[tuple[int, int, Address], bool]
    bonds: Mapped[tuple[int, Address], BondView]
    credits: Mapped[tuple[int, Address], int]
    standings: Mapped[Address, Standing]
    held: Mapped[tuple[Address, Address], int]
    allowed: Mapped[tuple[Address, Address], int]
    tokens: frozenset[Address]
    banned: frozenset[tuple[Address, Address]]

    @classmethod
    def empty(cls) -> Books:
        return cls(
            tasks=Mapped(_zero(TaskView)),
            terms=Mapped(_zero(TaskTerms)),
            authorities_missing=Mapped(0),
            rosters=Mapped(0),
            rounds=Mapped(_zero(RoundView)),
            enrolments=Mapped(_zero(EnrolmentView)),
            committed=Mapped(False),
            bonds=Mapped(_zero(BondView)),
            credits=Mapped(0),
            standings=Mapped(_zero(Standing)),
            held=Mapped(0),
            allowed=Mapped(0),
            tokens=frozenset(),
            banned=frozenset(),
        )

    def copy(self) -> Books:
        return Books(**{name: value.copy() for name, value in vars(self).items()})

    def known(self, task: int) -> TaskView:
        if task not in self.tasks:
            refuse("TaskUnknown", task)
        return self.tasks[task]

    def move(self, token: Address, payer: Address, payee: Address, amount: int) -> bool:
        """False, and nothing moves, when the payer has less, or the payee takes nothing."""
        if self.held[token, payer] < amount or (token, payee) in self.banned:
            return False
        self.held[token, payer] -= amount
        self.held[token, payee] += amount
        return True


def refuse(name: str, *arguments: object) -> NoReturn:
    raise TransactionRevertedError(name, arguments)


def write(table: Mapped[Key, View], key: Key, **fields: Any) -> None:
    table[key] = replace(table[key], **fields)


class Accounting:
    """One call of the contract while it is carried out: by ``sender``, with ``value`` wei, in a block of ``now``.

    It changes ``books``, which its caller throws away when it raises, and says ``events``.
    """

    def __init__(
        self, domain: Domain, rules: ReputationRules, books: Books, sender: Address, value: int, now: int
    ) -> None:
        self.domain, self.rules, self.books = domain, rules, books
        self.sender, self.value, self.now = sender, value, now
        self.events: list[tuple[type[Event], dict[str, Any]]] = []

    def emit(self, kind: type[Event], **fields: Any) -> None:
        """Says an event of a task, which the task's word stands for from now on."""
        self.events.append((kind, fields))
        said = event_digest(kind(block=0, log_index=0, transaction=ZERO_DIGEST, **fields))
        task = fields["task"]
        write(self.books.tasks, task, word=next_word(self.books.tasks[task].word, self.now, said))

    def verify(self, message: signing.Signable, client: Address, signature: bytes) -> None:
        if not signed_by(self.domain, message, client, signature):
            refuse("SignatureInvalid", client)

    def ended(self, task: int) -> bool:
        """No round will be opened any more and none is running."""
        return self._over(task) and self._last_round(task).state not in RUNNING

    def is_final(self, task: int, client: Address) -> bool:
        """Whether no later round can change what this client is owed, or its reputation."""
        shown, enrolment = self.books.tasks[task], self.books.enrolments[task, client]
        if not enrolment.left and not self._over(task):
            return False
        last = enrolment.left_round if enrolment.left else shown.last_round
        return all(self._decided(task, number) for number in range(1, last + 1))

    def owes_leaf(self, task: int, client: Address) -> bool:
        """Until the claim period is over; a task that ended without any tree has no leaf to apply."""
        shown = self.books.tasks[task]
        if self.now > shown.claim_until:
            return False
        root, _ = shown.payable(self.now)
        return any(root) or not self.is_final(task, client)

    def receive(self, token: Address, amount: int) -> None:
        """Takes a deposit of exactly ``amount`` from the sender; a token must really have brought it."""
        received = self.value
        if token != NATIVE_COIN and amount:
            if self.value:
                refuse("EscrowWrong", self.value, 0)
            received = self._fetch(token, amount)
        if received != amount:
            refuse("EscrowWrong", received, amount)

    def pay(self, task: int, payee: Address, amount: int) -> None:
        """What does not arrive is the payee's credit."""
        if not self.books.move(self.books.tasks[task].token, self.domain.ledger, payee, amount):
            self.credit(task, payee, amount)

    def credit(self, task: int, holder: Address, amount: int) -> None:
        if not amount:
            return
        self.books.credits[task, holder] += amount
        write(self.books.tasks, task, deposits=self.books.tasks[task].deposits + amount)
        self.emit(Credited, task=task, holder=holder, amount=amount)

    def unstake(self, task: int, client: Address) -> int:
        """Takes the client's stake out of the deposits: its amount, which the caller pays out."""
        books, amount = self.books, self.books.terms[task].stake
        write(books.enrolments, (task, client), staked=False)
        write(books.tasks, task, deposits=books.tasks[task].deposits - amount)
        self.emit(StakeReturned, task=task, client=client, amount=amount)
        return amount

    def rosters_until(self, task: int) -> int:
        """The last instant at which a roster for the window of the next round counts."""
        shown = self.books.tasks[task]
        since = self._last_round(task).settle_until if shown.last_round else shown.enrol_until
        return since + self.books.terms[task].roster_seconds

    def _over(self, task: int) -> bool:
        shown = self.books.tasks[task]
        too_few = self.now > shown.enrol_until and shown.enrolled < shown.min_clients
        return shown.last_round == shown.rounds or self.now > shown.task_until or too_few

    def _last_round(self, task: int) -> RoundView:
        return self.books.rounds[task, self.books.tasks[task].last_round]

    def _decided(self, task: int, number: int) -> bool:
        """The round is over, and nothing that it settled can be disputed any more."""
        shown = self.books.tasks[task]
        disputable = number == shown.pending_round and self.now < shown.payable_from
        return self.books.rounds[task, number].state not in RUNNING and not disputable

    def _fetch(self, token: Address, amount: int) -> int:
        """What an ERC-20 brings: all or nothing."""
        books, sender = self.books, self.sender
        if books.allowed[token, sender] < amount or not books.move(token, sender, self.domain.ledger, amount):
            return 0
        books.allowed[token, sender] -= amount
        return amount


def signed_by(domain: Domain, message: signing.Signable, signer: Address, signature: bytes) -> bool:
    try:
        signing.verify(domain, message, signature, signer, Party.CLIENT)
    except HearthError:
        return False
    return True


def _zero(kind: type[View]) -> View:
    """A struct as Solidity initialises it."""
    members: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            members[name] = bytes(get_args(hint)[1].length)
        else:
            members[name] = () if get_origin(hint) is tuple else hint(0)
    return kind(**members)
