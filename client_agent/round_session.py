"""One round on the phone without I/O: judge the plan, then seal one update under it, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from protocol.canonical import decode
from protocol.domain import Domain
from protocol.encryption.committee import Subset
from protocol.encryption.suite import suite
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, Digest, Label
from protocol.incentives.reputation import weight_of
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.randomness import Randomness
from protocol.round.planning import check_plan
from storage.ledger.signer import Signer


class DisorderError(HearthError):
    """A step out of order, or a second update under one label."""

    code = "E_DISORDER"


class RoundSession:
    """Judges the plan when made. Raises VerificationError or EncryptionError if it is not to be joined."""

    def __init__(
        self,
        spec: TaskSpec,
        domain: Domain,
        task: int,
        round_number: int,
        plan_bytes: bytes,
        label_on_chain: Label,
        client: Address,
        reputation: int,
    ) -> None:
        self.plan = decode(RoundPlan, plan_bytes, MAX_PLAN_BYTES)
        self.label = self.plan.label()
        if self.label != label_on_chain:
            raise VerificationError("the plan is not the one whose label is on chain", fault=Party.EDGE_SERVER)
        check_plan(self.plan, spec, domain, task, round_number)
        self._spec, self._domain, self._client = spec, domain, client
        self._scheme = suite(self.plan.suite)
        self._encoding = self._scheme.encoding_for(
            self.plan.learning.quantiser.bits, self.plan.learning.encoding.packing
        )
        self._encoding.check_budget([entry.weight for entry in self.plan.weights])
        weight = self.plan.weight_of(client)
        self.planned = weight is not None
        own = weight_of(reputation, spec.reputation)
        if weight is not None and weight != own:
            raise VerificationError(
                f"planned with weight {weight} where the reputation {reputation} gives {own}",
                fault=Party.EDGE_SERVER,
            )
        self._sealed = False

    def seal(
        self,
        values: npt.NDArray[np.int64],
        master_keys: Mapping[Subset, bytes],
        signer: Signer,
        randomness: Randomness,
        digest_of: Callable[[bytes, int], Digest],
    ) -> tuple[bytes, SignedCommitment]:
        """Ciphertext body and signed commitment; ``digest_of(body, chunk_bytes)`` is the content digest."""
        if self._sealed or not self.planned:
            raise DisorderError("sealed already" if self._sealed else "not planned in this round")
        self._sealed = True
        purpose = self.label.hex()
        nonce = randomness.draw(f"{purpose}/nonce", 16)
        noise_key = randomness.draw(f"{purpose}/encryption-noise", 32)
        body = self._scheme.encrypt(master_keys, self.label, nonce, values, self._encoding, noise_key)
        commitment = Commitment(
            self.plan.task,
            self.plan.round,
            self._client,
            self.label,
            nonce,
            digest_of(body, self._encoding.block_bytes),
        )
        return body, SignedCommitment(commitment, signer.sign(self._domain, commitment))

    @property
    def block_bytes(self) -> int:
        return self._encoding.block_bytes
