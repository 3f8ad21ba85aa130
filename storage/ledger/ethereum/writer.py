"""The writing half of the ledger port: which call of the contract each method is, whoever carries it there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple
from typing import Final

from protocol.identifiers import Address, Digest, Label
from protocol.incentives.rewards import ClaimBatch
from protocol.messages.chain import Publication, TaskTerms
from protocol.messages.round import CohortPlace
from protocol.messages.settlement import ProvenEntitlement
from protocol.messages.submission import BatchLeaf, SignedCommitment, SignedEnrolment, SignedLeave
from storage.ledger.ethereum.calls import batch_leaf_values, encode_call, prepare_post_task
from storage.ledger.interface import PreparedTransaction, TransactionReceipt

# what the contract is given where it asks for none
_NO_LEAF: Final = (0, (0, 0, bytes(20), bytes(32), bytes(16), bytes(32)), b"", ())


class LedgerWriter(ABC):
    """``ledger`` is the contract's address. Raises LedgerError for values that do not fit their Solidity types."""

    ledger: Address

    @abstractmethod
    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        """Sends a call that the caller has checked. Raises LedgerError when it is not for this ledger."""

    def post_task(self, terms: TaskTerms, escrow: int) -> TransactionReceipt:
        return self.send_prepared(prepare_post_task(self.ledger, terms, escrow))

    def enrol(
        self, enrolments: Sequence[SignedEnrolment], value_wei: int = 0, voucher_key: bytes = b""
    ) -> TransactionReceipt:
        messages, signatures = [astuple(one.enrolment) for one in enrolments], [one.signature for one in enrolments]
        if not voucher_key:
            return self._transact("enrol", messages, signatures, value_wei=value_wei)
        vouchers = b"".join((voucher_key, *(one.voucher for one in enrolments)))
        return self._transact("enrolWithVouchers", messages, signatures, vouchers, value_wei=value_wei)

    def place_bond(self, task: int, holder: Address, value_wei: int) -> TransactionReceipt:
        return self._transact("placeBond", task, holder, value_wei=value_wei)

    def return_bond(self, task: int, holder: Address) -> TransactionReceipt:
        return self._transact("returnBond", task, holder)

    def dispute(self, proof: bytes) -> TransactionReceipt:
        return self._transact("dispute", proof)

    def return_stake(self, task: int, client: Address) -> TransactionReceipt:
        return self._transact("returnStake", task, client)

    def withdraw(self, task: int, holder: Address, to: Address) -> TransactionReceipt:
        return self._transact("withdraw", task, holder, to)

    def post_roster(self, task: int, window: int, held: bytes, refused: bytes) -> TransactionReceipt:
        return self._transact("postRoster", task, window, held, refused)

    def leave(self, leave: SignedLeave) -> TransactionReceipt:
        return self._transact("leave", leave.leave.task, leave.leave.client, leave.signature)

    def draw_cohort(self, task: int) -> TransactionReceipt:
        return self._transact("drawCohort", task)

    def open_round(
        self, task: int, round_number: int, plan: Digest, label: Label, cohort_root: Digest, cohort: int
    ) -> TransactionReceipt:
        return self._transact("openRound", task, round_number, plan, label, cohort_root, cohort)

    def commit_batch(self, task: int, round_number: int, root: Digest, batch: Digest, count: int) -> TransactionReceipt:
        return self._transact("commitBatch", task, round_number, root, batch, count)

    def commit_direct(self, commitment: SignedCommitment, place: CohortPlace) -> TransactionReceipt:
        return self._transact("commitDirect", astuple(commitment.commitment), commitment.signature, astuple(place))

    def request_screening(
        self, task: int, round_number: int, beacon_block: int, direct: int, request: Digest
    ) -> TransactionReceipt:
        return self._transact("requestScreening", task, round_number, beacon_block, direct, request)

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

    def compensate(
        self, task: int, round_number: int, client: Address, place: CohortPlace, leaf: BatchLeaf | None
    ) -> TransactionReceipt:
        shown = _NO_LEAF if leaf is None else batch_leaf_values(leaf)
        return self._transact("compensate", task, round_number, client, astuple(place), shown)

    def claim(self, task: int, proven: ProvenEntitlement) -> TransactionReceipt:
        return self._transact("claim", task, (proven.index, *astuple(proven.entitlement)), proven.proof)

    def claim_many(self, task: int, batch: ClaimBatch) -> TransactionReceipt:
        leaves = [(index, *astuple(entitlement)) for index, entitlement in batch.leaves]
        return self._transact("claimMany", task, leaves, batch.proof, batch.flags)

    def refund(self, task: int) -> TransactionReceipt:
        return self._transact("refund", task)

    def _transact(self, name: str, *arguments: object, value_wei: int = 0) -> TransactionReceipt:
        return self.send_prepared(PreparedTransaction(self.ledger, encode_call(name, *arguments), value_wei))
