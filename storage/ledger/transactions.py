"""Sends one account's transactions: checked before they are sent, in nonce order, awaited until they are mined."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_hash.auto import keccak
from web3 import Web3
from web3.exceptions import TransactionNotFound
from web3.types import TxParams, Wei

from protocol.identifiers import Address
from storage.ledger.decoding import byte_string, whole
from storage.ledger.interface import LedgerError, TransactionRevertedError
from storage.ledger.node_answers import checked_answers
from storage.ledger.rpc import RpcRefusedError
from storage.ledger.signer import Signer

GAS_MARGIN_PERCENT: Final = 25  # state may move between the estimate and the block
MAX_NONCE_ATTEMPTS: Final = 4
FIRST_POLL_SECONDS: Final = 0.02
LONGEST_POLL_SECONDS: Final = 2.0
REBROADCAST_SECONDS: Final = 15.0
DEFAULT_TIP_WEI: Final = 10**9
MAX_WEI: Final = 2**128
_NONCE_USED: Final = ("nonce too low", "nonce is too low", "correct nonce", "invalid nonce", "replacement transaction")
_ALREADY_THERE: Final = ("already known", "already imported", "known transaction")


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas; ``tip`` is None on a chain without EIP-1559, where ``price`` is the legacy gas price."""

    price: int
    tip: int | None

    def fields(self) -> dict[str, int]:
        if self.tip is None:
            return {"gasPrice": self.price}
        return {"type": 2, "maxFeePerGas": self.price, "maxPriorityFeePerGas": self.tip}


class TransactionSender:
    """May be shared by threads; two processes may share the account, at the price of some retries.

    Keeps nothing but the next nonce in memory: after a crash the caller reads the chain's state before it sends again.
    ``receipt_seconds`` bounds the wait for a receipt; ``monotonic`` and ``sleep`` are the clock of that wait.
    """

    def __init__(
        self,
        web3: Web3,
        signer: Signer,
        chain_id: Callable[[], int],
        *,
        receipt_seconds: float = 120.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._eth = web3.eth
        self._signer = signer
        self._chain_id = chain_id
        self._receipt_seconds = receipt_seconds
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next_nonce: int | None = None

    def send(self, to: Address | None, data: bytes, value_wei: int = 0) -> Mapping[str, Any]:
        """web3's receipt of the mined, successful transaction; ``to`` None creates a contract.

        Raises TransactionRevertedError (nothing was sent, or it was mined and failed) or LedgerError (the outcome is
        unknown when the receipt did not come in time).
        """
        call: TxParams = {"from": Web3.to_checksum_address(self._signer.address), "data": Web3.to_hex(data)}
        if to is not None:
            call["to"] = Web3.to_checksum_address(to)
        if value_wei:
            call["value"] = Wei(value_wei)
        with self._lock:  # in order: each estimate sees what the transactions before it have changed
            gas = self._estimate(call)
            raw = self._broadcast(call, gas + gas * GAS_MARGIN_PERCENT // 100)
        receipt = self._await_receipt(raw)
        if receipt.get("status") != 1:
            raise self._reason(call, receipt)
        return receipt

    def _estimate(self, call: TxParams) -> int:
        with checked_answers("eth_estimateGas", reverts=True):
            return whole(self._eth.estimate_gas(call))

    def _broadcast(self, call: TxParams, gas: int) -> bytes:
        fees = self._fees()
        for _ in range(MAX_NONCE_ATTEMPTS):
            nonce = self._nonce()
            fields = {"to": call.get("to", b""), "data": call["data"], "value": int(call.get("value", 0))}
            raw = self._signer.sign_transaction(
                {**fields, **fees.fields(), "gas": gas, "nonce": nonce, "chainId": self._chain_id()}
            )
            self._next_nonce = None  # until the node took it, the count is the node's
            try:
                with checked_answers("eth_sendRawTransaction", reverts=True):
                    self._eth.send_raw_transaction(raw)
            except RpcRefusedError as error:
                if not _says(error, _ALREADY_THERE):
                    if not _says(error, _NONCE_USED):
                        raise
                    if self._transaction_unknown(raw):
                        continue  # another process of this account was faster
            self._next_nonce = nonce + 1
            return raw
        raise LedgerError(f"no free nonce in {MAX_NONCE_ATTEMPTS} attempts")

    def _nonce(self) -> int:
        if self._next_nonce is not None:
            return self._next_nonce
        with checked_answers("eth_getTransactionCount"):
            return whole(self._eth.get_transaction_count(Web3.to_checksum_address(self._signer.address), "pending"))

    def _transaction_unknown(self, raw: bytes) -> bool:
        """False when the node has this very transaction, though it did not say so when it took it."""
        with checked_answers("eth_getTransactionByHash"):
            try:
                self._eth.get_transaction(Web3.to_hex(keccak(raw)))
            except TransactionNotFound:
                return True
            return False

    def _fees(self) -> Fees:
        with checked_answers("eth_getBlockByNumber"):
            base = self._eth.get_block("latest").get("baseFeePerGas")
        if base is None:
            with checked_answers("eth_gasPrice"):
                return Fees(whole(self._eth.gas_price, MAX_WEI), None)
        try:
            with checked_answers("eth_maxPriorityFeePerGas"):
                tip = whole(self._eth.max_priority_fee, MAX_WEI)
        except RpcRefusedError:
            tip = DEFAULT_TIP_WEI
        return Fees(2 * whole(base, MAX_WEI) + tip, tip)  # holds for six full blocks in a row

    def _await_receipt(self, raw: bytes) -> Mapping[str, Any]:
        started = self._monotonic()
        sent, pause = started, FIRST_POLL_SECONDS
        while True:
            receipt = self._receipt(keccak(raw))
            if receipt is not None:
                return receipt
            now = self._monotonic()
            if now - started >= self._receipt_seconds:
                with self._lock:
                    self._next_nonce = None
                raise LedgerError(f"no receipt of 0x{keccak(raw).hex()} in {self._receipt_seconds:.0f} s")
            if now - sent >= REBROADCAST_SECONDS:
                sent = now
                self._rebroadcast(raw)
            self._sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)

    def _receipt(self, transaction: bytes) -> Mapping[str, Any] | None:
        with checked_answers("eth_getTransactionReceipt"):
            try:
                receipt: Mapping[str, Any] = self._eth.get_transaction_receipt(Web3.to_hex(transaction))
            except TransactionNotFound:
                return None
            if receipt.get("blockNumber") is None:
                return None
            if byte_string(receipt.get("transactionHash")) != transaction:
                raise LedgerError("a receipt of another transaction")
            return receipt

    def _rebroadcast(self, raw: bytes) -> None:
        try:
            with checked_answers("eth_sendRawTransaction"):
                self._eth.send_raw_transaction(raw)
        except RpcRefusedError:
            pass  # the usual answer: the node has it already

    def _reason(self, call: TxParams, receipt: Mapping[str, Any]) -> TransactionRevertedError:
        """Why a mined transaction failed: the same call on the state after its block, which may since have changed."""
        try:
            with checked_answers("eth_call", reverts=True):
                self._eth.call(call, whole(receipt.get("blockNumber")))
        except TransactionRevertedError as error:
            return error
        return TransactionRevertedError("Reverted")


def _says(error: RpcRefusedError, phrases: tuple[str, ...]) -> bool:
    return any(phrase in error.reason.lower() for phrase in phrases)
