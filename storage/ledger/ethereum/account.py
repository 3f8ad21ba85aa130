"""What nodes say of one account and its transactions; behind one endpoint there may be several, some of which lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eth_typing import BlockNumber, ChecksumAddress
from web3 import Web3
from web3.eth import Eth
from web3.exceptions import TransactionNotFound
from web3.types import BlockIdentifier, TxParams

from protocol.keccak import keccak
from storage.ledger.ethereum.decoding import byte_string, whole
from storage.ledger.ethereum.node_answers import checked_answers
from storage.ledger.ethereum.pace import Pace
from storage.ledger.interface import LedgerError, TransactionRevertedError

FIRST_POLL_SECONDS: Final = 0.02
LONGEST_POLL_SECONDS: Final = 2.0
OVERTAKEN_POLLS: Final = 8  # nodes count a transaction before they know its receipt, and others behind them later
NODES: Final = 3  # behind one endpoint, that are asked how far they are before a refusal is believed
STALE_POLLS: Final = 5  # a count below what was mined before is asked for again so often; then the chain went back


class Account:
    """Of one sender of transactions. Raises LedgerError."""

    def __init__(self, eth: Eth, address: ChecksumAddress, pace: Pace) -> None:
        self._eth, self._address, self._pace = eth, address, pace
        self._mined = 0  # the nonce behind the last transaction that was seen mined
        self._last_block = 0  # of it

    def saw_mined(self, nonce: int, block: int) -> None:
        """A transaction of this account stands in the block."""
        self._mined, self._last_block = max(self._mined, nonce + 1), block

    def estimate(self, call: TxParams) -> int:
        """A call that the last block refuses is tried on the one to come: where blocks are made on demand, the last is
        old, and no deadline that was waited for would ever be over. Before, it is tried again while some node lacks
        this account's last transaction: that one refuses what only follows from it."""
        pause = FIRST_POLL_SECONDS
        for _ in range(STALE_POLLS):
            try:
                return self._estimate_at(call, None)
            except TransactionRevertedError:
                if not self._last_block or all(self.block_number() >= self._last_block for _ in range(NODES)):
                    break
            self._pace.sleep(pause)
            pause *= 2
        return self._estimate_at(call, "pending")

    def _estimate_at(self, call: TxParams, block: BlockIdentifier | None) -> int:
        with checked_answers("eth_estimateGas", reverts=True):
            return whole(self._eth.estimate_gas(call, block))

    def next_nonce(self) -> int:
        """As the node counts, unless it is one that lags."""
        counted, pause = self.count("pending"), FIRST_POLL_SECONDS
        for _ in range(STALE_POLLS):
            if counted >= self._mined:
                return counted
            self._pace.sleep(pause)
            counted, pause = max(counted, self.count("pending")), pause * 2
        self._mined = counted
        return counted

    def has(self, raw: bytes, repeated: bool) -> bool:
        """Whether it is this very transaction that has its nonce. Where it was sent twice, the first time may have
        reached a node that this one hears of later: then nobody may sign it once more before that is known."""
        pause = FIRST_POLL_SECONDS
        for _ in range(OVERTAKEN_POLLS if repeated else 1):
            if self._knows(raw):
                return True
            self._pace.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)
        if repeated:
            raise LedgerError(f"nobody knows whether 0x{keccak(raw).hex()} was taken")
        return False

    def _knows(self, raw: bytes) -> bool:
        """Whether the node has this very transaction, though it did not say so when it took it."""
        with checked_answers("eth_getTransactionByHash"):
            try:
                self._eth.get_transaction(Web3.to_hex(keccak(raw)))
            except TransactionNotFound:
                return False
            return True

    def receipt(self, raws: Sequence[bytes]) -> Mapping[str, Any] | None:
        for raw in reversed(raws):
            with checked_answers("eth_getTransactionReceipt"):
                try:
                    receipt: Mapping[str, Any] = self._eth.get_transaction_receipt(Web3.to_hex(keccak(raw)))
                except TransactionNotFound:
                    continue
                if receipt.get("blockNumber") is None:
                    continue
                if byte_string(receipt.get("transactionHash")) != keccak(raw):
                    raise LedgerError("a receipt of another transaction")
                return receipt
        return None

    def count(self, block: BlockIdentifier) -> int:
        with checked_answers("eth_getTransactionCount"):
            return whole(self._eth.get_transaction_count(self._address, block))

    def count_at(self, head: int, confirmations: int) -> int:
        return self.count(BlockNumber(max(0, head - confirmations)) if confirmations else "latest")

    def block_number(self) -> int:
        with checked_answers("eth_blockNumber"):
            return whole(self._eth.block_number)


def block_of(receipt: Mapping[str, Any]) -> int:
    return whole(receipt.get("blockNumber"))
