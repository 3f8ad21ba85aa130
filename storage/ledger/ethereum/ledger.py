"""The ledger port over an Ethereum node: the reader plus transactions signed by one account, and deployment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from web3 import Web3

from protocol.identifiers import Address
from protocol.messages.chain import DEFAULT_RULES, ReputationRules
from storage.ledger.ethereum.calls import decode_post_task, deployment, encode_token_call, prepare_post_task
from storage.ledger.ethereum.decoding import address_of, byte_string, decode_logs, whole
from storage.ledger.ethereum.node_answers import checked_answers
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.ethereum.transactions import DEFAULT_PACE, Pace, TransactionSender
from storage.ledger.ethereum.writer import LedgerWriter
from storage.ledger.interface import LedgerError, PreparedTransaction, TransactionReceipt
from storage.ledger.signer import Signer

__all__ = ["EthereumLedger", "EthereumReader", "decode_post_task", "deploy", "prepare_post_task"]


class EthereumLedger(EthereumReader, LedgerWriter):
    """May be shared by threads; transactions go out in the order in which they are called.

    Before its first transaction it makes sure that a HearthLedger answers at the address: money sent elsewhere is gone.
    ``pace`` is handed to the TransactionSender. Raises PublicKeyError for a development key off loopback.
    """

    def __init__(
        self,
        rpc_url: str,
        ledger: Address,
        signer: Signer,
        *,
        clock: Callable[[], float] = time.time,
        timeout_seconds: float = 10.0,
        first_block: int = 0,
        on_bytes: Callable[[int, int], None] | None = None,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        signer.require_private(rpc_url)
        super().__init__(
            rpc_url, ledger, clock=clock, timeout_seconds=timeout_seconds, first_block=first_block, on_bytes=on_bytes
        )
        self._signer = signer
        self._sender = TransactionSender(self._web3, signer, lambda: self.domain.chain_id, pace)
        self._confirmations = 0

    @property
    def sender(self) -> Address:
        return self._signer.address

    def confirmed(self, confirmations: int) -> EthereumLedger:
        other = copy(self)
        other._confirmations = confirmations
        return other

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
        return _receipt(self._sender.send(to, data, value_wei, self._confirmations), self.ledger)


def deploy(
    rpc_url: str,
    signer: Signer,
    *,
    rules: ReputationRules = DEFAULT_RULES,
    timeout_seconds: float = 30.0,
    confirmations: int = 0,
) -> tuple[Address, TransactionReceipt]:
    """Creates a HearthLedger on the node's chain: its address and the receipt. Raises LedgerError."""
    signer.require_private(rpc_url)
    provider = JsonRpcProvider(rpc_url, timeout_seconds=timeout_seconds)
    web3 = Web3(provider, middleware=[])

    def chain_id() -> int:
        with checked_answers("eth_chainId"):
            return whole(web3.eth.chain_id, 2**256)

    try:
        sender = TransactionSender(web3, signer, chain_id)
        mined = sender.send(None, deployment(rules), confirmations=confirmations)
    finally:
        provider.close()
    address = address_of(mined.get("contractAddress"))
    return address, _receipt(mined, address)


def _receipt(mined: Mapping[str, Any], ledger: Address) -> TransactionReceipt:
    return TransactionReceipt(
        transaction=byte_string(mined.get("transactionHash"), 32),
        block=whole(mined.get("blockNumber")),
        gas_used=whole(mined.get("gasUsed")),
        logs=decode_logs(mined.get("logs"), ledger),
    )
