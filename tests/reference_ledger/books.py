"""The ledger contract's books as plain tables, and who holds how much of what.

With the other modules of this folder the executable specification of contracts/src: the same names, the same order of
checks. Left out: arithmetic that leaves Solidity's types, gas, tokens that keep some of the money, payees that call
again while they are paid, clients that are contracts (ERC-1271).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Annotated, Any, Final, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from protocol.identifiers import Address, Digest
from protocol.messages.chain import BondView, EnrolmentView, RoundView, Standing, TaskTerms, TaskView
from protocol.round.state_table import RoundState
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
    servers: Mapped[int, int]  # that have their role still
    authorities: Mapped[int, int]  # likewise
    bonded: Mapped[int, int]  # authorities that placed their bond and have it still
    rosters: Mapped[int, int]  # posted for the window that comes
    rounds: Mapped[tuple[int, int], RoundView]
    enrolments: Mapped[tuple[int, Address], EnrolmentView]
    signers: Mapped[tuple[int, Address], Address]  # zero: the client's own key
    committed: Mapped[tuple[int, int, Address], bool]
    compensated: Mapped[tuple[int, int, Address], bool]
    bonds: Mapped[tuple[int, Address], BondView]
    credits: Mapped[tuple[int, Address], int]
    standings: Mapped[Address, Standing]
    voucher_keys: Mapped[Digest, bool]  # that a task has, or had
    held: Mapped[tuple[Address, Address], int]
    allowed: Mapped[tuple[Address, Address], int]
    tokens: frozenset[Address]
    banned: frozenset[tuple[Address, Address]]

    @classmethod
    def empty(cls) -> Books:
        return cls(
            tasks=Mapped(_zero(TaskView)),
            terms=Mapped(_zero(TaskTerms)),
            servers=Mapped(0),
            authorities=Mapped(0),
            bonded=Mapped(0),
            rosters=Mapped(0),
            rounds=Mapped(_zero(RoundView)),
            enrolments=Mapped(_zero(EnrolmentView)),
            signers=Mapped(bytes(20)),
            committed=Mapped(False),
            compensated=Mapped(False),
            bonds=Mapped(_zero(BondView)),
            credits=Mapped(0),
            standings=Mapped(_zero(Standing)),
            voucher_keys=Mapped(False),
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

    def signer_of(self, task: int, client: Address) -> Address:
        """The key that signs for a client of the task."""
        named = self.signers[task, client]
        return named if any(named) else client

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


def _zero(kind: type[View]) -> View:
    """A struct as Solidity initialises it."""
    members: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            members[name] = bytes(get_args(hint)[1].length)
        else:
            members[name] = () if get_origin(hint) is tuple else hint(0)
    return kind(**members)
