"""One posted task on a fresh deployment: funded edge server and manufacturer, clients that only sign."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from protocol.identifiers import NATIVE_COIN, Address, Digest
from protocol.incentives.rewards import allocation_root, claim_proof
from protocol.messages.chain import Event, Publication, TaskTerms
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import (
    Commitment,
    Enrolment,
    Leave,
    SignedCommitment,
    SignedEnrolment,
    SignedLeave,
)
from storage.ledger.ethereum import EthereumLedger
from storage.ledger.interface import TransactionReceipt
from storage.ledger.signer import Signer
from tests.ports.chains import RunningChain
from tests.samples import private_key

Kind = TypeVar("Kind", bound=Event)

PLAN, LABEL, REQUEST = b"\x11" * 32, b"\x12" * 32, b"\x13" * 32
ROOT, BATCH = b"\x21" * 32, b"\x22" * 32
MODEL, RECORD = b"\x31" * 32, b"\x32" * 32
NONCE, CIPHERTEXT = b"\x41" * 16, b"\x42" * 32


class Scene:
    """``terms`` and every signed message are what the suite later finds on chain."""

    def __init__(self, chain: RunningChain) -> None:
        self.chain = chain
        self.address = chain.deploy()
        self.edge_signer, self.manufacturer_signer = Signer(private_key("edge")), Signer(private_key("manufacturer"))
        for signer in (self.edge_signer, self.manufacturer_signer):
            chain.fund(self.address, signer.address)
        self.edge = chain.ledger(self.address, self.edge_signer)
        self.manufacturer = chain.ledger(self.address, self.manufacturer_signer)
        self.terms = TaskTerms(
            spec=b"\x01" * 32,
            edge_servers=(self.edge.sender,),
            authorities=tuple(Signer(private_key("authority", number)).address for number in (1, 2, 3)),
            threshold=2,
            initial_reputation=2,
            rounds=3,
            min_clients=2,
            max_clients=5,
            enrolment_seconds=600,
            commit_seconds=300,
            settle_seconds=300,
            task_seconds=86_400,
            claim_seconds=86_400,
            dispute_seconds=0,
            takeover_seconds=200,
            min_reputation=0,
            token=NATIVE_COIN,
            update_reward=1_000,
            edge_bond=0,
            authority_bond=0,
            stake=0,
        )
        self.escrow = 3 * 5 * 1_000
        self.task = 1

    def close(self) -> None:
        self.edge.close()
        self.manufacturer.close()

    @cached_property
    def clients(self) -> list[Signer]:
        return sorted((Signer(private_key("client", number)) for number in range(3)), key=lambda one: one.address)

    def stranger(self) -> EthereumLedger:
        return self.chain.ledger(self.address, Signer(private_key("stranger")))

    def post(self) -> TransactionReceipt:
        return self.manufacturer.post_task(self.terms, self.escrow)

    def enrolment(self, client: Signer, envelope: Digest = b"\x51" * 32) -> SignedEnrolment:
        enrolment = Enrolment(self.task, client.address, envelope)
        return SignedEnrolment(enrolment, client.sign(self.edge.domain, enrolment))

    def leave(self, client: Signer) -> SignedLeave:
        leave = Leave(self.task, client.address)
        return SignedLeave(leave, client.sign(self.edge.domain, leave))

    def commitment(self, client: Signer, round_number: int = 1, label: bytes = LABEL) -> SignedCommitment:
        commitment = Commitment(self.task, round_number, client.address, label, NONCE, CIPHERTEXT)
        return SignedCommitment(commitment, client.sign(self.edge.domain, commitment))

    def enrol_all(self) -> TransactionReceipt:
        return self.edge.enrol([self.enrolment(client) for client in self.clients])

    def open_first_round(self) -> TransactionReceipt:
        """Posted, enrolled, enrolment over, round 1 open."""
        self.post()
        self.enrol_all()
        self.chain.pass_time(self.terms.enrolment_seconds + 1)
        return self.edge.open_round(self.task, 1, PLAN, LABEL, 3)

    def allocation(self, round_number: int = 1) -> Allocation:
        """Every client earned one reward."""
        entries = (Entitlement(client.address, self.terms.update_reward, 3) for client in self.clients)
        return Allocation(self.task, round_number, tuple(entries))

    def publication(self) -> Publication:
        return Publication(MODEL, RECORD, allocation_root(self.allocation()), 3 * self.terms.update_reward, 8, 10)

    def request_first_key(self) -> TransactionReceipt:
        self.edge.commit_batch(self.task, 1, ROOT, BATCH, 3)
        return self.edge.request_key(self.task, 1, REQUEST)

    def claim(self, sender: EthereumLedger, client: Address) -> TransactionReceipt:
        index, entitlement, proof = claim_proof(self.allocation(), client)
        return sender.claim(self.task, index, entitlement, proof)


def sole(receipt: TransactionReceipt, kind: type[Kind]) -> Kind:
    """The only event of a receipt, at the place that the receipt says."""
    (event,) = receipt.logs
    assert isinstance(event, kind)
    assert (event.block, event.transaction) == (receipt.block, receipt.transaction)
    return event
