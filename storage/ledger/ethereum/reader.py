"""The reading half of the ledger port over a JSON-RPC node."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from protocol.domain import Domain
from protocol.identifiers import NATIVE_COIN, Address, Digest, to_hex
from protocol.messages.chain import BondView, EnrolmentView, Event, LedgerRules, RoundView, Standing, TaskView
from protocol.signing import domain_separator
from protocol.version import PROTOCOL_VERSION
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.ethereum.calls import encode_call, encode_token_call
from storage.ledger.ethereum.decoding import struct, whole
from storage.ledger.ethereum.event_logs import EventLogs
from storage.ledger.ethereum.log_ranges import BLOCKS, LogRanges
from storage.ledger.ethereum.log_topics import Wanted
from storage.ledger.ethereum.node import WORD_LIMIT, Block, BlockHead, Node
from storage.ledger.ethereum.rpc import JsonRpcProvider, NodeProvider
from storage.ledger.ethereum.watched_provider import Heard, WatchedProvider
from storage.ledger.interface import Head, LedgerError, TransactionRevertedError, WrongContractError
from storage.patience import DEFAULT_PATIENCE, Patience


class EthereumReader:
    """Reads one deployed HearthLedger. May be shared by threads. Raises LedgerError, or TransactionRevertedError.

    ``first_block``: nothing of interest is earlier (the block of the contract's creation); ``clock`` tells this chain's
    time. ``node`` is a URL, or a provider that already has its own ``timeout_seconds``, ``on_bytes``
    and ``patience``. ``chain_id``:
    the only one that is believed; without it, whichever the node names. ``at``: the block as of which everything is
    read. ``heard`` is told of every question. ``confirm_by``: a block that
    has not this tag of the node's yet counts as unconfirmed, however deep it is.
    """

    def __init__(
        self,
        node: str | NodeProvider,
        ledger: Address,
        *,
        chain_id: int | None = None,
        clock: BlockClock | None = None,
        timeout_seconds: float = 10.0,
        first_block: int = 0,
        log_range_blocks: int = BLOCKS,
        on_bytes: Callable[[int, int], None] | None = None,
        at: Block = "latest",
        patience: Patience = DEFAULT_PATIENCE,
        heard: Heard | None = None,
        confirm_by: str | None = None,
    ) -> None:
        if isinstance(node, str):
            node = JsonRpcProvider(node, timeout_seconds=timeout_seconds, on_bytes=on_bytes, patience=patience)
        if heard is not None:
            node = WatchedProvider(node, heard)
        self.provider: NodeProvider = node
        self.ledger = ledger
        self._chain_id = chain_id
        self._node = Node(node)
        self._clock = clock or BlockClock()
        self._at, self._first_block, self._confirm_by = at, first_block, confirm_by
        self._sets_blooms = False  # some block was seen whose bloom has the ledger
        self._logs = EventLogs(
            self._node, ledger, at, first_block, LogRanges(log_range_blocks), self._word, self.block_timestamp
        )

    def close(self) -> None:
        self.provider.close()

    @property
    def bytes_sent(self) -> int:
        return self.provider.bytes_sent

    @cached_property
    def domain(self) -> Domain:
        """Raises WrongChainError."""
        found = self._node.chain_id() if self._chain_id is None else self._node.require_chain(self._chain_id)
        return Domain(found, self.ledger)

    @cached_property
    def _verified(self) -> bool:
        where = f"{to_hex(self.ledger)} on chain {self.domain.chain_id}"
        try:
            answer = self._node.call(self.ledger, encode_call("domainSeparator"), self._at)
        except TransactionRevertedError:
            answer = b"refused"
        if not answer:
            raise WrongContractError(f"there is no contract at {where}")
        if answer != domain_separator(self.domain):
            raise WrongContractError(f"{where} is no HearthLedger of protocol version {PROTOCOL_VERSION}")
        self._check_first_block(where)
        return True

    def _check_first_block(self, where: str) -> None:
        """What happened before it would be missing for good."""
        first = self._first_block
        if not first:
            return
        if first > self.block_number():
            raise WrongContractError(f"@{first}: the chain has no such block yet; name that of the ledger's deployment")
        try:
            stood_before = self._node.code(self.ledger, first - 1)
        except LedgerError:  # the node keeps no state that old
            return
        if stood_before:
            raise WrongContractError(f"@{first}: {where} was there before; name the block of its deployment, or none")

    def verify_contract(self) -> None:
        """Asks once. Raises WrongContractError unless a ledger of this protocol version and chain is at the address,
        and was not before ``first_block``."""
        assert self._verified

    def now(self) -> int:
        return self.head().now

    def block_number(self) -> int:
        return self._at if isinstance(self._at, int) else self._node.block_number()

    def head(self) -> Head:
        latest = self._block("latest")
        self._clock.see(latest.hash, latest.timestamp)
        if self._clock.wants_node_time():
            self._clock.hear(self._node_time(latest.number))
        self._logs.saw(latest.number)
        quiet = latest.is_without(self.ledger, self._sets_blooms)
        self._sets_blooms |= any(latest.bloom) and not quiet
        return Head(
            latest.number, latest.hash, self._clock.now(), latest.parent, quiet, latest.timestamp, self._tagged()
        )

    def _tagged(self) -> int | None:
        return None if self._confirm_by is None else self._block(self._confirm_by).number

    def _node_time(self, latest: int) -> int | None:
        try:
            return self._node.pending_timestamp(latest)
        except LedgerError:  # not every node shows the block that it would make
            return None

    def makes_blocks_on_demand(self) -> bool:
        return self._node.is_for_development()

    def block_timestamp(self, block: int) -> int:
        return self._block(block).timestamp

    def block_hash(self, block: int) -> Digest | None:
        head = self._node.block(block)
        return None if head is None else head.hash

    def code(self, contract: Address | None = None) -> bytes:
        return self._node.code(contract or self.ledger, self._at)

    def balance(self, address: Address, token: Address = NATIVE_COIN) -> int:
        """In the smallest units of ``token``."""
        if token != NATIVE_COIN:
            return self._token_amount(token, "balanceOf", address)
        return self._node.balance(address, self._at)

    def allowance(self, token: Address, owner: Address) -> int:
        return self._token_amount(token, "allowance", owner, self.ledger)

    def transactions_waiting(self, account: Address) -> int:
        """Of the account's transactions those that the node knows and no block has."""
        return max(0, self._node.transaction_count(account, "pending") - self._node.transaction_count(account))

    def gas_used(self, transaction: Digest) -> int:
        """Of a mined transaction."""
        return self._node.gas_used(transaction)

    def task_count(self) -> int:
        count: int = self._view("taskCount")
        return count

    def task(self, task: int) -> TaskView:
        return struct(TaskView, self._view("taskOf", task))

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        head = Head(self.block_number(), b"", 0, tagged=self._tagged()) if confirmations else None
        block = None if head is None else max(0, head.deep(confirmations))
        return struct(RoundView, self._view("roundOf", task, round_number, block=block))

    def enrolment(self, task: int, client: Address) -> EnrolmentView:
        return struct(EnrolmentView, self._view("enrolmentOf", task, client))

    def has_committed_directly(self, task: int, round_number: int, client: Address) -> bool:
        committed: bool = self._view("hasCommittedDirectly", task, round_number, client)
        return committed

    def is_compensated(self, task: int, round_number: int, client: Address) -> bool:
        compensated: bool = self._view("isCompensated", task, round_number, client)
        return compensated

    def signer(self, task: int, client: Address) -> Address:
        named: Address = self._view("signerOf", task, client)
        return named if any(named) else client

    def claimed(self, task: int, client: Address) -> int:
        return self.enrolment(task, client).claimed

    def bond(self, task: int, holder: Address) -> BondView:
        return struct(BondView, self._view("bondOf", task, holder))

    def credit(self, task: int, holder: Address) -> int:
        amount: int = self._view("creditOf", task, holder)
        return amount

    def standing(self, client: Address) -> Standing:
        return struct(Standing, self._view("standingOf", client))

    def rules(self) -> LedgerRules:
        rules = struct(LedgerRules, self._view("rules"))
        if not rules.waiting_seconds:
            raise LedgerError("a ledger without a waiting period")
        return rules

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        return self._logs.of(Wanted(task, client), from_block)

    def _word(self, task: int, block: Block | None = None) -> Digest:
        return struct(TaskView, self._view("taskOf", task, block=block)).word

    def _token_amount(self, token: Address, name: str, *arguments: Address) -> int:
        answer = self._node.call(token, encode_token_call(name, *arguments), self._at)
        # an address without code holds nothing
        return whole(abi.decode(("uint256",), answer)[0], WORD_LIMIT) if answer else 0

    def _view(self, name: str, *arguments: object, block: Block | None = None) -> Any:
        data = self._node.call(self.ledger, encode_call(name, *arguments), self._at if block is None else block)
        if not data:
            raise LedgerError(f"no contract at {to_hex(self.ledger)}")
        (value,) = decoded if len(decoded := abi.decode(abi.functions()[name].outputs, data)) == 1 else (decoded,)
        return value

    def _block(self, block: Block) -> BlockHead:
        head = self._node.block(block)
        if head is None:
            raise LedgerError(f"the node has no block {block}")
        return head
