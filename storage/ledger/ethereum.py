"""The ledger port over an Ethereum node: the reader plus transactions signed by one account, and deployment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import astuple
from typing import Any

from web3 import Web3

from protocol.identifiers import Address, Digest, Label
from protocol.incentives.rewards import ClaimBatch
from protocol.messages.chain import DEFAULT_RULES, Publication, ReputationRules, TaskTerms
from protocol.messages.settlement import Entitlement
from protocol.messages.submission import SignedCommitment, SignedEnrolment, SignedLeave
from storage.ledger.calls import decode_post_task, deployment, encode_call, encode_token_call, prepare_post_task
from storage.ledger.decoding import address_of, byte_string, decode_logs, whole
from storage.ledger.interface import LedgerError, PreparedTransaction, TransactionReceipt
from storage.ledger.node_answers import checked_answers
from storage.ledger.reader import EthereumReader
from storage.ledger.rpc import JsonRpcProvider
from storage.ledger.signer import Signer
from storage.ledger.transactions import DEFAULT_PACE, Pace, TransactionSender

__all__ = ["EthereumLedger", "EthereumReader", "decode_post_task", "deploy", "prepare_post_task"]


class EthereumLedger(EthereumReader):
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

    def post_task(self, terms: TaskTerms, escrow_wei: int) -> TransactionReceipt:
        return self.send_prepared(prepare_post_task(self.ledger, terms, escrow_wei))

    def enrol(self, enrolments: Sequence[SignedEnrolment], value_wei: int = 0) -> TransactionReceipt:
        messages, signatures = [astuple(one.enrolment) for one in enrolments], [one.signature for one in enrolments]
        return self._transact("enrol", messages, signatures, value_wei=value_wei)

    def place_bond(self, task: int, holder: Address, value_wei: int) -> TransactionReceipt:
        return self._transact("placeBond", task, holder, value_wei=value_wei)

    def return_bond(self, task: int, holder: Address) -> TransactionReceipt:
        return self._transact("returnBond", task, holder)

    def dispute(self, proof: bytes) -> TransactionReceipt:
        return self._transact("dispute", proof)

    def return_stake(self, task: int, client: Address) -> TransactionReceipt:
        return self._transact("returnStake", task, client)

    def leave(self, leave: SignedLeave) -> TransactionReceipt:
        return self._transact("leave", leave.leave.task, leave.leave.client, leave.signature)

    def open_round(self, task: int, round_number: int, plan: Digest, label: Label, cohort: int) -> TransactionReceipt:
        return self._transact("openRound", task, round_number, plan, label, cohort)

    def commit_batch(self, task: int, round_number: int, root: Digest, batch: Digest, count: int) -> TransactionReceipt:
        return self._transact("commitBatch", task, round_number, root, batch, count)

    def commit_direct(self, commitment: SignedCommitment) -> TransactionReceipt:
        return self._transact("commitDirect", astuple(commitment.commitment), commitment.signature)

    def request_key(self, task: int, round_number: int, request: Digest) -> TransactionReceipt:
        return self._transact("requestKey", task, round_number, request)

    def publish_round(self, task: int, round_number: int, publication: Publication) -> TransactionReceipt:
        return self._transact("publishRound", task, round_number, astuple(publication))

    def abandon_round(
        self, task: int, round_number: int, record: Digest, allocation_root: Digest, allocated: int
    ) -> TransactionReceipt:
        return self._transact("abandonRound", task, round_number, record, allocation_root, allocated)

    def expire_round(self, task: int, round_number: int) -> TransactionReceipt:
        return self._transact("expireRound", task, round_number)

    def claim(self, task: int, index: int, entitlement: Entitlement, proof: Sequence[Digest]) -> TransactionReceipt:
        return self._transact("claim", task, (index, *astuple(entitlement)), proof)

    def claim_many(self, task: int, batch: ClaimBatch) -> TransactionReceipt:
        leaves = [(index, *astuple(entitlement)) for index, entitlement in batch.leaves]
        return self._transact("claimMany", task, leaves, batch.proof, batch.flags)

    def refund(self, task: int) -> TransactionReceipt:
        return self._transact("refund", task)

    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        """Signs and sends a call that the caller has checked. Raises LedgerError when it is not for this ledger."""
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

    def _transact(self, name: str, *arguments: object, value_wei: int = 0) -> TransactionReceipt:
        return self.send_prepared(PreparedTransaction(self.ledger, encode_call(name, *arguments), value_wei))

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
