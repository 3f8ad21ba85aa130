"""The ledger port over an Ethereum node: the reader plus transactions signed by one account, and deployment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.messages.chain import DEFAULT_RULES, LedgerRules
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.ethereum.calls import (
    decode_post_task,
    encode_token_call,
    ledger_creation,
    prepare_post_task,
    tasks_creation,
)
from storage.ledger.ethereum.decoding import address_of, byte_string, decode_logs, whole
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.pace import DEFAULT_PACE, Pace
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import JsonRpcProvider, NodeProvider
from storage.ledger.ethereum.watched_provider import Heard
from storage.ledger.ethereum.writer import LedgerWriter
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits
from storage.ledger.interface import LedgerError, PreparedTransaction, TransactionReceipt
from storage.ledger.signer import Signer
from storage.patience import DEFAULT_PATIENCE, Patience

if TYPE_CHECKING:
    from storage.ledger.ethereum.transactions import TransactionSender

__all__ = ["EthereumLedger", "EthereumReader", "decode_post_task", "deploy", "prepare_post_task"]


class EthereumLedger(EthereumReader, LedgerWriter):
    """May be shared by threads; transactions go out in the order in which they are called.

    Before its first transaction it makes sure that a HearthLedger answers at the address, and on the chain, of
    ``domain``: money sent elsewhere is gone. It signs for no other chain, whatever the node says.
    ``pace`` is handed to the TransactionSender. Raises PublicKeyError for a development key off loopback.
    """

    def __init__(
        self,
        rpc_url: str,
        domain: Domain,
        signer: Signer,
        *,
        limits: GasLimits = DEFAULT_GAS_LIMITS,
        clock: BlockClock | None = None,
        timeout_seconds: float = 10.0,
        first_block: int = 0,
        on_bytes: Callable[[int, int], None] | None = None,
        pace: Pace = DEFAULT_PACE,
        patience: Patience = DEFAULT_PATIENCE,
        heard: Heard | None = None,
        confirm_by: str | None = None,
    ) -> None:
        signer.require_private(rpc_url)
        super().__init__(
            rpc_url,
            domain.ledger,
            chain_id=domain.chain_id,
            clock=clock,
            timeout_seconds=timeout_seconds,
            first_block=first_block or domain.first_block,
            on_bytes=on_bytes,
            patience=patience,
            heard=heard,
            confirm_by=confirm_by,
        )
        self._signer = signer
        self._sender = _Sender(self.provider, signer, lambda: self.domain.chain_id, pace, limits)
        self._confirmations = 0

    @property
    def sender(self) -> Address:
        return self._signer.address

    def confirmed(self, confirmations: int) -> EthereumLedger:
        other = copy(self)
        other._confirmations = confirmations
        return other

    def prepare(self) -> None:
        self._sender()

    def fee_wei(self, gas: int) -> int:
        return gas * self._sender().price()

    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        if prepared.to != self.ledger:
            raise LedgerError("the prepared transaction goes to another address than the ledger")
        self.verify_contract()
        return self._send(prepared.to, prepared.data, prepared.value_wei)

    def approve(self, token: Address, amount: int) -> TransactionReceipt:
        """Lets the ledger fetch up to ``amount`` of an ERC-20 from this account."""
        self.verify_contract()
        return self._send(token, encode_token_call("approve", self.ledger, amount), 0)

    def transfer(self, to: Address, amount_wei: int) -> TransactionReceipt:
        """Sends plain money, e.g. to fund a client's account."""
        return self._send(to, b"", amount_wei)

    def _send(self, to: Address, data: bytes, value_wei: int) -> TransactionReceipt:
        return _receipt(self._sender().send(to, data, value_wei, self._confirmations), self.ledger)


class _Sender:
    """One account's TransactionSender, made when it is first called: web3 takes seconds to import, and a phone whose
    transactions are all relayed never sends any."""

    def __init__(
        self, provider: NodeProvider, signer: Signer, chain_id: Callable[[], int], pace: Pace, limits: GasLimits
    ) -> None:
        self._arguments = (provider, signer, chain_id, pace, limits)
        self._lock = threading.Lock()
        self._made: TransactionSender | None = None

    def __call__(self) -> TransactionSender:
        with self._lock:
            if self._made is None:
                from storage.ledger.ethereum.transactions import TransactionSender

                self._made = TransactionSender(*self._arguments)
            return self._made


def deploy(
    rpc_url: str,
    chain_id: int,
    signer: Signer,
    *,
    limits: GasLimits = DEFAULT_GAS_LIMITS,
    rules: LedgerRules = DEFAULT_RULES,
    timeout_seconds: float = 30.0,
    confirmations: int = 0,
    tasks: Address | None = None,
) -> tuple[Address, TransactionReceipt]:
    """Creates a HearthLedger on this chain: its address and its receipt, with the gas of all that was sent.

    ``tasks``: its HearthTasks, where an earlier call has created it already. Raises LedgerError.
    """
    signer.require_private(rpc_url)
    provider = JsonRpcProvider(rpc_url, timeout_seconds=timeout_seconds)
    try:
        sender = _Sender(provider, signer, partial(Node(provider).require_chain, chain_id), DEFAULT_PACE, limits)
        gas = 0
        if tasks is None:
            first = sender().send(None, tasks_creation(rules))  # behind it in nonce, the other one buries it
            tasks, gas = address_of(first.get("contractAddress")), whole(first.get("gasUsed"))
        mined = sender().send(None, ledger_creation(rules, tasks), confirmations=confirmations)
    finally:
        provider.close()
    address = address_of(mined.get("contractAddress"))
    receipt = _receipt(mined, address)
    return address, replace(receipt, gas_used=gas + receipt.gas_used)


def _receipt(mined: Mapping[str, Any], ledger: Address) -> TransactionReceipt:
    return TransactionReceipt(
        transaction=byte_string(mined.get("transactionHash"), 32),
        block=whole(mined.get("blockNumber")),
        gas_used=whole(mined.get("gasUsed")),
        logs=decode_logs(mined.get("logs"), ledger),
    )
