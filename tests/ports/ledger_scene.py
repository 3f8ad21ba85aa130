"""One posted task on a fresh deployment: funded edge server and manufacturer, clients that only sign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, Protocol

from protocol.cohort import place_of, sum_of
from protocol.identifiers import NATIVE_COIN, Address, Digest
from protocol.incentives.rewards import allocation_root, claim_proof
from protocol.messages.chain import Publication, TaskTerms
from protocol.messages.round import ClientWeight, CohortPlace
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import (
    Commitment,
    Enrolment,
    Leave,
    SignedCommitment,
    SignedEnrolment,
    SignedLeave,
)
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.interface import Ledger, TransactionReceipt
from storage.ledger.signer import Signer
from tests.ports.chains import KINDS, RunningChain, running_chain
from tests.ports.reference_chain import ReferenceChain
from tests.samples import cohort_of, private_key

REFERENCE: Final = "reference"
IMPLEMENTATIONS: Final = (REFERENCE, *KINDS)

PLAN, LABEL, REQUEST = b"\x11" * 32, b"\x12" * 32, b"\x13" * 32
ROOT, BATCH = b"\x21" * 32, b"\x22" * 32
MODEL, RECORD = b"\x31" * 32, b"\x32" * 32
NONCE, CIPHERTEXT = b"\x41" * 16, b"\x42" * 32


class Chain(Protocol):
    """What the suite needs of whatever stands behind the port; RunningChain says what each does."""

    def deploy(self) -> Address: ...
    def ledger(self, address: Address, signer: Signer) -> Ledger: ...
    def fund(self, ledger: Address, address: Address) -> None: ...
    def pass_time(self, seconds: int) -> None: ...
    def mine(self, blocks: int = 1) -> None: ...
    def snapshot(self) -> Any: ...
    def revert(self, snapshot: Any) -> None: ...
    def chain_id(self) -> int: ...
    def sent(self, address: Address) -> int: ...


class PortScene:
    """``terms`` and every signed message are what the suite later finds on chain."""

    def __init__(self, chain: Chain) -> None:
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
            training_seconds=20,
            objection_seconds=30,
            settle_seconds=300,
            task_seconds=86_400,
            claim_seconds=86_400,
            dispute_seconds=0,
            takeover_seconds=200,
            min_reputation=0,
            reputation_sources=(),
            token=NATIVE_COIN,
            participation=0,
            contribution=1_000,
            edge_fee=70,
            authority_fee=30,
            edge_bond=0,
            authority_bond=0,
            stake=0,
            max_cohort=5,
            roster_rounds=10,
            roster_seconds=1,
        )
        self.task = 1

    @property
    def reward(self) -> int:
        return self.terms.participation + self.terms.contribution

    @property
    def escrow(self) -> int:
        terms = self.terms
        fees = terms.edge_fee + len(terms.authorities) * terms.authority_fee
        return terms.rounds * (terms.max_cohort * self.reward + fees)

    @cached_property
    def clients(self) -> list[Signer]:
        return sorted((Signer(private_key("client", number)) for number in range(3)), key=lambda one: one.address)

    def post(self) -> TransactionReceipt:
        return self.manufacturer.post_task(self.terms, self.escrow)

    def enrolment(
        self, client: Signer, envelope: Digest = b"\x51" * 32, signer: Signer | None = None
    ) -> SignedEnrolment:
        """``signer``: of the key that is to sign for the client; its own without."""
        key, until = (signer or client).address, self.edge.task(self.task).claim_until
        enrolment = Enrolment(
            self.task, self.terms.spec, client.address, key, envelope, self.terms.stake, until, until - 1
        )
        return SignedEnrolment(enrolment, client.sign(self.edge.domain, enrolment))

    def leave(self, client: Signer, signer: Signer | None = None) -> SignedLeave:
        leave = Leave(self.task, client.address)
        return SignedLeave(leave, (signer or client).sign(self.edge.domain, leave))

    def commitment(
        self, client: Signer, round_number: int = 1, label: bytes = LABEL, signer: Signer | None = None
    ) -> SignedCommitment:
        commitment = Commitment(self.task, round_number, client.address, label, NONCE, CIPHERTEXT)
        return SignedCommitment(commitment, (signer or client).sign(self.edge.domain, commitment))

    @cached_property
    def cohort(self) -> tuple[ClientWeight, ...]:
        return cohort_of(client.address for client in self.clients)

    @property
    def cohort_root(self) -> Digest:
        return sum_of(self.cohort).root

    def place(self, client: Signer) -> CohortPlace:
        return place_of(self.cohort, client.address)

    def enrol_all(self) -> TransactionReceipt:
        return self.edge.enrol([self.enrolment(client) for client in self.clients])

    def open_first_round(self) -> TransactionReceipt:
        """Posted, enrolled, enrolment over, round 1 open."""
        self.post()
        self.enrol_all()
        return self.open_posted_round()

    def open_posted_round(self) -> TransactionReceipt:
        self.chain.pass_time(self.terms.enrolment_seconds + self.terms.roster_seconds + 1)
        return self.edge.open_round(self.task, 1, PLAN, LABEL, self.cohort_root, 3)

    def allocation(self, round_number: int = 1) -> Allocation:
        """Every client earned one reward."""
        entries = (Entitlement(client.address, self.reward, 3) for client in self.clients)
        return Allocation(self.task, round_number, tuple(entries))

    def publication(self) -> Publication:
        return Publication(MODEL, RECORD, allocation_root(self.allocation()), 3 * self.reward, 8, 10)

    def request_first_key(self) -> TransactionReceipt:
        self.chain.pass_time(2 * self.terms.training_seconds)
        self.edge.commit_batch(self.task, 1, ROOT, BATCH, 3)
        self.chain.pass_time(self.terms.objection_seconds + 1)
        return self.edge.request_key(self.task, 1, REQUEST)

    def claim(self, sender: Ledger, client: Address) -> TransactionReceipt:
        return sender.claim(self.task, claim_proof(self.allocation(), client))


class Scene(PortScene):
    """On a chain behind JSON-RPC."""

    chain: RunningChain
    edge: EthereumLedger
    manufacturer: EthereumLedger

    def close(self) -> None:
        self.edge.close()
        self.manufacturer.close()


@contextmanager
def scene_on(kind: str) -> Iterator[PortScene]:
    """``reference`` is the ledger in this process, the others are chains of :func:`running_chain`."""
    if kind == REFERENCE:
        yield PortScene(ReferenceChain())
        return
    scene = Scene(running_chain(kind))
    yield scene
    scene.close()
