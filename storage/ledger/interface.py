"""The ledger port: what every party may read from the chain and write to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.identifiers import NATIVE_COIN, Address, Digest, Label, to_hex
from protocol.incentives.rewards import ClaimBatch
from protocol.messages.chain import (
    BondView,
    EnrolmentView,
    Event,
    LedgerRules,
    Publication,
    RoundView,
    Standing,
    TaskTerms,
    TaskView,
)
from protocol.messages.round import CohortPlace
from protocol.messages.settlement import ProvenEntitlement
from protocol.messages.submission import BatchLeaf, SignedCommitment, SignedEnrolment, SignedLeave


class LedgerError(HearthError):
    """The chain cannot be reached or answers nonsense."""

    code = "E_LEDGER"

    def __init__(self, message: str) -> None:
        super().__init__(message, fault=Party.LEDGER)


class UnansweredError(LedgerError):
    """The endpoint gave no answer for as long as one question is asked: it may answer the next time. What was sent may
    have been taken."""


class WrongChainError(LedgerError):
    """The endpoint is of another chain than the one that was named. Nothing is signed for it."""

    code = "E_WRONG_CHAIN"


class WrongContractError(LedgerError):
    """What stands at the named address is no ledger of this version of the protocol. Nothing is sent there."""

    code = "E_WRONG_CONTRACT"


class TransactionRevertedError(HearthError):
    """The contract refused; ``name`` is its custom error without prefix (``TooLate``), ``arguments`` its facts."""

    code = "E_REVERTED"

    def __init__(self, name: str, arguments: tuple[object, ...] = ()) -> None:
        facts = ", ".join(to_hex(fact) if isinstance(fact, bytes) else str(fact) for fact in arguments)
        super().__init__(f"{name}({facts})", fault=Party.OURS)
        self.name = name
        self.arguments = arguments


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    transaction: Digest
    block: int
    gas_used: int
    logs: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """An unsigned call that its sender can check and sign: the REST API prepares these for the manufacturer."""

    to: Address
    data: bytes
    value_wei: int


@dataclass(frozen=True, slots=True)
class Head:
    """The latest block, in one answer; ``now``, in seconds: block time, not earlier than that block's.

    It runs on between blocks, and hangs on no local clock: two readers of one chain say nearly the same.
    """

    block: int
    hash: Digest
    now: int
    parent: Digest = b""  # hash of the block before; empty where it is not told
    is_quiet: bool = False  # the ledger said nothing in the block itself
    timestamp: int = 0  # seconds: of the block itself
    tagged: int | None = None  # number of the block that the node's tag has reached; None: no tag is asked for

    def deep(self, confirmations: int) -> int:
        """The last block that counts as confirmed. A tag only makes it earlier: some nodes give every block every tag.

        A task that asks for no confirmations waits for none.
        """
        deep = self.block - confirmations
        return deep if self.tagged is None or not confirmations else min(deep, self.tagged)


class LedgerReader(Protocol):
    @property
    def domain(self) -> Domain: ...

    def now(self) -> int:
        """That of the head."""
        ...

    def block_number(self) -> int: ...

    def head(self) -> Head: ...

    def makes_blocks_on_demand(self) -> bool:
        """A chain for development, by its program's name: as a rule its blocks keep no pace."""
        ...

    def block_timestamp(self, block: int) -> int: ...

    def block_hash(self, block: int) -> Digest | None:
        """None when the chain has no such block (any more)."""
        ...

    def code(self, contract: Address | None = None) -> bytes:
        """Deployed byte code of the ledger, or of another contract."""
        ...

    def balance(self, address: Address, token: Address = NATIVE_COIN) -> int: ...

    def allowance(self, token: Address, owner: Address) -> int:
        """What the ledger may still fetch of an ERC-20 from ``owner``."""
        ...

    def task_count(self) -> int: ...

    def task(self, task: int) -> TaskView:
        """Raises TransactionRevertedError ``TaskUnknown``."""
        ...

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        """As of ``confirmations`` blocks before the latest one."""
        ...

    def enrolment(self, task: int, client: Address) -> EnrolmentView: ...

    def has_committed_directly(self, task: int, round_number: int, client: Address) -> bool: ...

    def is_compensated(self, task: int, round_number: int, client: Address) -> bool: ...

    def signer(self, task: int, client: Address) -> Address:
        """The key that signs for ``client`` in the task: its own, unless its enrolment named another one."""
        ...

    def claimed(self, task: int, client: Address) -> int: ...

    def bond(self, task: int, holder: Address) -> BondView: ...

    def credit(self, task: int, holder: Address) -> int:
        """What the task owes to an address that could not be paid, in smallest units."""
        ...

    def standing(self, client: Address) -> Standing: ...

    def rules(self) -> LedgerRules: ...

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        """In chain order, by ``eth_getLogs`` ranges, never filters. With ``client`` what concerns it
        (``protocol.messages.following``): as much whatever the number of clients."""
        ...


class Ledger(LedgerReader, Protocol):
    """The reader plus transactions signed by one account. Each call waits for the receipt of a mined transaction.

    Raises TransactionRevertedError (nothing sent when it would revert) or LedgerError.
    """

    @property
    def sender(self) -> Address: ...

    def confirmed(self, confirmations: int) -> Ledger:
        """The same ledger and account; its calls wait until so many blocks lie upon the transaction's own."""
        ...

    def prepare(self) -> None:
        """Loads what sending takes, which the first transaction would do otherwise: for who sees a deadline coming."""
        ...

    def fee_wei(self, gas: int) -> int:
        """What so much gas costs now at most, as this adapter offers for it."""
        ...

    def post_task(self, terms: TaskTerms, escrow: int) -> TransactionReceipt: ...

    def enrol(
        self, enrolments: Sequence[SignedEnrolment], value_wei: int = 0, voucher_key: bytes = b""
    ) -> TransactionReceipt:
        """All of one task. ``value_wei``: their stakes, where the task wants them in the chain's own coin;
        ``voucher_key``: its modulus, where it needs vouchers."""
        ...

    def approve(self, token: Address, amount: int) -> TransactionReceipt:
        """Lets the ledger fetch up to ``amount`` of an ERC-20 from this account."""
        ...

    def place_bond(self, task: int, holder: Address, value_wei: int) -> TransactionReceipt: ...

    def return_bond(self, task: int, holder: Address) -> TransactionReceipt: ...

    def dispute(self, proof: bytes) -> TransactionReceipt:
        """``proof`` is of :func:`storage.ledger.ethereum.calls.encode_proof`."""
        ...

    def return_stake(self, task: int, client: Address) -> TransactionReceipt: ...

    def withdraw(self, task: int, holder: Address, to: Address) -> TransactionReceipt:
        """Pays a credit: to its holder whoever sends this, to another address for the holder alone."""
        ...

    def post_roster(self, task: int, window: int, held: bytes, refused: bytes) -> TransactionReceipt:
        """This account, an authority of the task, says whose keys it holds; see ``protocol.messages.rosters``."""
        ...

    def leave(self, leave: SignedLeave) -> TransactionReceipt: ...

    def draw_cohort(self, task: int) -> TransactionReceipt:
        """Has the next block draw the cohort of the next round, or ends a draw that nobody opened a round with."""
        ...

    def open_round(
        self, task: int, round_number: int, plan: Digest, label: Label, cohort_root: Digest, cohort: int
    ) -> TransactionReceipt: ...

    def commit_batch(
        self, task: int, round_number: int, root: Digest, batch: Digest, count: int
    ) -> TransactionReceipt: ...

    def commit_direct(self, commitment: SignedCommitment, place: CohortPlace) -> TransactionReceipt: ...

    def request_screening(
        self, task: int, round_number: int, beacon_block: int, direct: int, request: Digest
    ) -> TransactionReceipt:
        """Nobody commits any more, and the hash of ``beacon_block``, of the last 256 blocks, draws the round's sketch.
        ``direct``: how many direct commitments ``request`` has."""
        ...

    def request_key(self, task: int, round_number: int, request: Digest) -> TransactionReceipt: ...

    def publish_round(self, task: int, round_number: int, publication: Publication) -> TransactionReceipt: ...

    def abandon_round(
        self, task: int, round_number: int, record: Digest, allocation_root: Digest, allocated: int
    ) -> TransactionReceipt: ...

    def expire_round(self, task: int, round_number: int) -> TransactionReceipt: ...

    def compensate(
        self, task: int, round_number: int, client: Address, place: CohortPlace, leaf: BatchLeaf | None
    ) -> TransactionReceipt:
        """Of a round that was not published. ``leaf`` is in its batch; None: the client committed directly."""
        ...

    def claim(self, task: int, proven: ProvenEntitlement) -> TransactionReceipt: ...

    def claim_many(self, task: int, batch: ClaimBatch) -> TransactionReceipt: ...

    def refund(self, task: int) -> TransactionReceipt: ...
