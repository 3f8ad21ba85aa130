"""One round on the phone without I/O: judge the plan, then seal one update under it, once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from protocol.canonical import decode
from protocol.domain import Domain
from protocol.encryption.committee import Subset
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, Label
from protocol.incentives.reputation import weight_of
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.randomness import Randomness
from protocol.round.planning import check_plan
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import commit_to, encrypt_update
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
        self._client = client
        self._scheme = RoundScheme.of(self.plan, spec.committee)
        self._scheme.encoding.check_budget([entry.weight for entry in self.plan.weights])
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
    ) -> tuple[bytes, SignedCommitment]:
        """Ciphertext body and signed commitment."""
        if self._sealed or not self.planned:
            raise DisorderError("sealed already" if self._sealed else "not planned in this round")
        self._sealed = True
        nonce, body = encrypt_update(self._scheme, values, master_keys, randomness)
        return body, commit_to(self._scheme, self._client, nonce, body, signer.sign)
