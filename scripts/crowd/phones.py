"""The phones of a crowd: an account, master keys and randomness for each; what they compute is computed for many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.canonical import encode
from protocol.domain import Domain
from protocol.encryption.committee import Subset, draw_master_keys, ratchet
from protocol.encryption.envelope import seal_envelope
from protocol.errors import Party
from protocol.identifiers import Address
from protocol.messages.submission import Enrolment, SignedCommitment, SignedEnrolment, SignedReceipt, Submission
from protocol.messages.task import TaskSpec
from protocol.randomness import SeededRandomness
from protocol.round.commitments import receipt_of
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import commit_to, encrypt_update
from protocol.signing import verify
from storage.content.interface import ContentStore
from storage.ledger.signer import Signer


@dataclass(slots=True, eq=False)
class Phone:
    """One client. ``keys``: as of ``epoch``."""

    signer: Signer
    randomness: SeededRandomness
    keys: Mapping[Subset, bytes]
    epoch: int = 0

    @classmethod
    def of(cls, randomness: SeededRandomness, task: int, m: int, t: int) -> Phone:
        signer = Signer(randomness.draw("account", 32))
        return cls(signer, randomness, draw_master_keys(randomness, m, t, f"task/{task}/enrolment"))

    @property
    def address(self) -> Address:
        return self.signer.address

    def enrolment(
        self,
        spec: TaskSpec,
        domain: Domain,
        task: int,
        recipients: Sequence[tuple[Address, bytes]],
        store: ContentStore,
        until: tuple[int, int],
        digest: bytes,
    ) -> SignedEnrolment:
        """Its keys sealed to the authorities, the envelope in ``store``, and the signed enrolment. ``until``: of the
        lock and of the enrolment, in seconds of block time; ``digest``: of the spec."""
        sealed = seal_envelope(
            self.keys, domain.prefix(), task, 0, self.address, recipients, spec.committee.threshold, self.randomness
        )
        envelope = store.put(encode(sealed)).digest
        said = Enrolment(task, digest, self.address, self.address, envelope, spec.deposits.client, *until)
        return SignedEnrolment(said, self.signer.sign(domain, said))

    def sealed(self, scheme: RoundScheme, values: npt.NDArray[np.int64]) -> tuple[bytes, bytes]:
        """Nonce and body of its update."""
        epoch = scheme.plan.key_epoch
        self.keys, self.epoch = ratchet(self.keys, epoch - self.epoch), epoch
        return encrypt_update(scheme, values, self.keys, self.randomness)

    def committed(self, scheme: RoundScheme, nonce: bytes, body: bytes, store: ContentStore) -> SignedCommitment:
        """The body is in ``store`` first."""
        store.put(body, scheme.block_bytes)
        return commit_to(scheme, self.address, nonce, body, self.signer.sign)


def submission_of(signed: SignedCommitment) -> Submission:
    said = signed.commitment
    return Submission(said.client, said.nonce, said.ciphertext, signed.signature)


def check_receipt(domain: Domain, signed: SignedCommitment, receipt: SignedReceipt | None, server: Address) -> None:
    """Raises VerificationError."""
    given = receipt.signature if receipt is not None else b""
    verify(domain, receipt_of(signed.commitment), given, server, Party.EDGE_SERVER)


def made(count: int, seed: bytes, task: int, m: int, t: int) -> Iterator[Phone]:
    source = SeededRandomness(seed)
    return (Phone.of(source.fork(f"phone/{number}"), task, m, t) for number in range(count))
