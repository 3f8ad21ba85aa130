"""One planned round with three clients that really encrypt, for tests of the edge server's parts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.identifiers import ZERO_DIGEST, Address
from protocol.messages.chain import RoundOpened
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.submission import CommitmentBatch, SignedCommitment, Submission
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.model.trained import TrainedModel
from protocol.randomness import SeededRandomness
from protocol.round.commitments import batch_of
from protocol.round.key_request import key_request
from protocol.round.planning import choose_index_set, plan_round
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import commit_to
from protocol.round.stepping import Stepping
from storage.content.interface import ContentStore
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key, sample_spec
from tests.tiny_task import tiny_test_set

SIGNERS = sorted((Signer(private_key("client", number)) for number in range(3)), key=lambda signer: signer.address)
CLIENTS = [signer.address for signer in SIGNERS]


@dataclass
class PlannedRound:
    """Everything is deterministic; ``store`` holds the three ciphertexts."""

    spec: TaskSpec = field(default_factory=sample_spec)
    store: ContentStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.sent = choose_index_set(self.spec, 1)
        reputations = dict.fromkeys(CLIENTS, 2) | {CLIENTS[0]: 4}
        self.plan: RoundPlan = plan_round(self.spec, DOMAIN, 1, 1, reputations, self.spec.initial_model)
        self.scheme = RoundScheme.of(self.plan, self.spec.committee)
        self.keys = {}
        self.values: dict[Address, npt.NDArray[np.int64]] = {}
        self.committed: dict[Address, SignedCommitment] = {}
        for number, signer in enumerate(SIGNERS):
            randomness = SeededRandomness(bytes([number]))
            self.keys[signer.address] = draw_master_keys(randomness, self.scheme.m, self.scheme.t, "keys")
            self.values[signer.address] = np.arange(self.plan.dimension, dtype=np.int64) * (number + 1) - 5
            self.committed[signer.address] = self.commit(signer, self.values[signer.address], bytes([number]) * 16)

    def commit(self, signer: Signer, values: npt.NDArray[np.int64], nonce: bytes) -> SignedCommitment:
        return self.commit_bytes(
            signer, self.scheme.encrypt(self.keys[signer.address], nonce, values, bytes(32)), nonce
        )

    def commit_bytes(self, signer: Signer, body: bytes, nonce: bytes, stored: bool = True) -> SignedCommitment:
        """A commitment to any bytes."""
        if stored:
            self.store.put(body, self.scheme.block_bytes)
        return commit_to(self.scheme, signer.address, nonce, body, signer.sign)

    def submission(self, number: int) -> Submission:
        signed = self.committed[CLIENTS[number]]
        return Submission(CLIENTS[number], signed.commitment.nonce, signed.commitment.ciphertext, signed.signature)

    def batch(self) -> CommitmentBatch:
        return batch_of(self.committed.values())

    def request(self) -> KeyRequest:
        return key_request(self.plan, self.committed, CLIENTS)

    def partial(self, j: int) -> bytes:
        entries = [(authority_share(self.keys[e.client], j), e.nonce, e.weight) for e in self.request().entries]
        return self.scheme.partial_key(j, entries)

    def step(self, sums: npt.NDArray[np.int64]) -> TrainedModel:
        """From a model of zeros."""
        before = TrainedModel(np.zeros(Layout.of(self.spec.model).dimension, dtype=np.float32))
        weights = [entry.weight for entry in self.plan.weights]
        return Stepping(self.spec, self.plan, before, weights, tiny_test_set).after(sums)

    def opened(self) -> RoundOpened:
        return RoundOpened(
            block=5,
            log_index=0,
            transaction=b"\1" * 32,
            task=1,
            round=1,
            plan=b"\2" * 32,
            label=self.plan.label(),
            cohort_root=self.plan.cohort.root,
            cohort=3,
            beacon=ZERO_DIGEST,
            commit_until=1_000,
            settle_until=2_000,
        )
