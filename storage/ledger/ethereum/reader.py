"""The reading half of the ledger port over a JSON-RPC node."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from eth_typing import BlockNumber
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import BlockNotFound
from web3.types import BlockIdentifier, FilterParams, TxParams

from protocol.domain import Domain
from protocol.identifiers import NATIVE_COIN, Address, Digest, to_hex
from protocol.messages.chain import BondView, EnrolmentView, Event, ReputationRules, RoundView, Standing, TaskView
from protocol.signing import domain_separator
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.calls import encode_call, encode_token_call
from storage.ledger.ethereum.decoding import byte_string, decode_logs, struct, whole
from storage.ledger.ethereum.fees import current_fees
from storage.ledger.ethereum.node_answers import checked_answers
from storage.ledger.ethereum.rpc import AnswerTooLargeError, JsonRpcProvider, NodeProvider, RpcRefusedError
from storage.ledger.interface import LedgerError

LOG_RANGE_BLOCKS = 5_000  # public nodes cap a query at 2,000 to 10,000 blocks or answers
_WORD_LIMIT = 2**256


class EthereumReader:
    """Reads one deployed HearthLedger. May be shared by threads. Raises LedgerError, or TransactionRevertedError.

    ``first_block``: nothing of interest is earlier (the block of the contract's creation); ``clock`` gives the local
    time in seconds. ``node`` is a URL, or a provider that already has its own ``timeout_seconds`` and ``on_bytes``.
    """

    def __init__(
        self,
        node: str | NodeProvider,
        ledger: Address,
        *,
        clock: Callable[[], float] = time.time,
        timeout_seconds: float = 10.0,
        first_block: int = 0,
        log_range_blocks: int = LOG_RANGE_BLOCKS,
        on_bytes: Callable[[int, int], None] | None = None,
    ) -> None:
        if isinstance(node, str):
            node = JsonRpcProvider(node, timeout_seconds=timeout_seconds, on_bytes=on_bytes)
        self.provider: NodeProvider = node
        self.ledger = ledger
        self._web3 = Web3(self.provider, middleware=[])
        self._eth = self._web3.eth
        self._address = Web3.to_checksum_address(ledger)
        self._clock = clock
        self._first_block = first_block
        self._log_range_blocks = log_range_blocks

    def close(self) -> None:
        self.provider.close()

    @property
    def bytes_sent(self) -> int:
        return self.provider.bytes_sent

    @cached_property
    def domain(self) -> Domain:
        with checked_answers("eth_chainId"):
            return Domain(whole(self._eth.chain_id, _WORD_LIMIT), self.ledger)

    @cached_property
    def _verified(self) -> bool:
        separator: bytes = self._view("domainSeparator")
        if separator != domain_separator(self.domain):
            raise LedgerError(f"{to_hex(self.ledger)} is not a HearthLedger of chain {self.domain.chain_id}")
        return True

    def verify_contract(self) -> None:
        """Raises LedgerError unless a ledger of this protocol version and chain answers at the address; asked once."""
        assert self._verified

    def now(self) -> int:
        return max(self._timestamp("latest"), int(self._clock()))

    def block_number(self) -> int:
        with checked_answers("eth_blockNumber"):
            return whole(self._eth.block_number)

    def head(self) -> tuple[int, Digest]:
        with checked_answers("eth_getBlockByNumber"):
            block = self._eth.get_block("latest")
            return whole(block["number"]), byte_string(block["hash"], 32)

    def block_timestamp(self, block: int) -> int:
        return self._timestamp(BlockNumber(block))

    def block_hash(self, block: int) -> Digest | None:
        with checked_answers("eth_getBlockByNumber"):
            try:
                return byte_string(self._eth.get_block(BlockNumber(block))["hash"], 32)
            except BlockNotFound:
                return None

    def judge(self) -> Address:
        judge: Address = self._view("judge")
        return judge

    def code(self, contract: Address | None = None) -> bytes:
        with checked_answers("eth_getCode"):
            return byte_string(self._eth.get_code(Web3.to_checksum_address(contract or self.ledger)))

    def balance(self, address: Address, token: Address = NATIVE_COIN) -> int:
        """In the smallest units of ``token``."""
        if token != NATIVE_COIN:
            return self._token_amount(token, "balanceOf", address)
        with checked_answers("eth_getBalance"):
            return whole(self._eth.get_balance(Web3.to_checksum_address(address)), _WORD_LIMIT)

    def allowance(self, token: Address, owner: Address) -> int:
        return self._token_amount(token, "allowance", owner, self.ledger)

    def fee_wei(self, gas: int) -> int:
        return gas * current_fees(self._eth).price

    def gas_used(self, transaction: Digest) -> int:
        """Of a mined transaction."""
        with checked_answers("eth_getTransactionReceipt"):
            return whole(self._eth.get_transaction_receipt(HexBytes(transaction))["gasUsed"])

    def task_count(self) -> int:
        count: int = self._view("taskCount")
        return count

    def task(self, task: int) -> TaskView:
        return struct(TaskView, self._view("taskOf", task))

    def round(self, task: int, round_number: int, confirmations: int = 0) -> RoundView:
        block: BlockIdentifier = "latest"
        if confirmations:
            block = BlockNumber(max(0, self.block_number() - confirmations))
        return struct(RoundView, self._view("roundOf", task, round_number, block=block))

    def enrolment(self, task: int, client: Address) -> EnrolmentView:
        return struct(EnrolmentView, self._view("enrolmentOf", task, client))

    def has_committed_directly(self, task: int, round_number: int, client: Address) -> bool:
        committed: bool = self._view("hasCommittedDirectly", task, round_number, client)
        return committed

    def claimed(self, task: int, client: Address) -> int:
        return self.enrolment(task, client).claimed

    def bond(self, task: int, holder: Address) -> BondView:
        return struct(BondView, self._view("bondOf", task, holder))

    def standing(self, client: Address) -> Standing:
        return struct(Standing, self._view("standingOf", client))

    def rules(self) -> ReputationRules:
        return struct(ReputationRules, self._view("reputationRules"))

    def events(self, task: int | None = None, from_block: int = 0) -> list[Event]:
        """One request when the node answers for everything up to its latest block, ranges when it refuses to."""
        start = max(from_block, self._first_block)
        try:
            return self._logs(task, start, "latest")
        except (RpcRefusedError, AnswerTooLargeError):
            return self._events_by_ranges(task, start, self.block_number())

    def _events_by_ranges(self, task: int | None, start: int, last: int) -> list[Event]:
        events: list[Event] = []
        blocks = self._log_range_blocks
        while start <= last:
            end = min(start + blocks - 1, last)
            try:
                events += self._logs(task, start, end)
            except (RpcRefusedError, AnswerTooLargeError):
                if start == end:
                    raise
                blocks = (end - start + 1) // 2
                continue
            start = end + 1
        return events

    def _logs(self, task: int | None, start: int, end: int | str) -> list[Event]:
        query: FilterParams = {
            "address": self._address,
            "fromBlock": BlockNumber(start),
            "toBlock": BlockNumber(end) if isinstance(end, int) else "latest",
        }
        if task is not None:
            # every event's first indexed member is its task
            query["topics"] = [None, HexBytes(task.to_bytes(32, "big"))]
        with checked_answers("eth_getLogs"):
            logs = self._eth.get_logs(query)
            events = list(decode_logs(logs, self.ledger))
        for event in events:
            if event.block < start or (isinstance(end, int) and event.block > end):
                raise LedgerError("a log outside the blocks asked for")
            if task is not None and getattr(event, "task", None) != task:
                raise LedgerError("a log of another task than asked for")
        return events

    def _token_amount(self, token: Address, name: str, *arguments: Address) -> int:
        data = Web3.to_hex(encode_token_call(name, *arguments))
        call: TxParams = {"to": Web3.to_checksum_address(token), "data": data}
        with checked_answers("eth_call", reverts=True):
            answer = bytes(self._eth.call(call, "latest"))
        # an address without code holds nothing
        return whole(abi.decode(("uint256",), answer)[0], _WORD_LIMIT) if answer else 0

    def _view(self, name: str, *arguments: object, block: BlockIdentifier = "latest") -> Any:
        call: TxParams = {"to": self._address, "data": Web3.to_hex(encode_call(name, *arguments))}
        with checked_answers("eth_call", reverts=True):
            data = bytes(self._eth.call(call, block))
        if not data:
            raise LedgerError(f"no contract at {to_hex(self.ledger)}")
        (value,) = decoded if len(decoded := abi.decode(abi.functions()[name].outputs, data)) == 1 else (decoded,)
        return value

    def _timestamp(self, block: BlockIdentifier) -> int:
        with checked_answers("eth_getBlockByNumber"):
            return whole(self._eth.get_block(block)["timestamp"])
