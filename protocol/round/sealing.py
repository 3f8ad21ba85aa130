"""Sealing an update: integers become a ciphertext, and the ciphertext a signed commitment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.encryption.committee import Subset
from protocol.identifiers import Address, Nonce, Signature
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.randomness import Randomness
from protocol.round.commitments import domain_of
from protocol.round.scheme import RoundScheme

Sign = Callable[[Domain, Commitment], Signature]


def encrypt_update(
    scheme: RoundScheme, values: npt.NDArray[np.int64], keys: Mapping[Subset, bytes], randomness: Randomness
) -> tuple[Nonce, bytes]:
    """A fresh nonce and the body of ``values``, shape (d,). ``keys``: the client's of the plan's epoch.

    Never called twice for one client and label. Raises EncryptionError ``E_RANGE``, ``E_PARAMS``.
    """
    purpose = scheme.label.hex()
    nonce = randomness.draw(f"{purpose}/nonce", 16)
    noise_key = randomness.draw(f"{purpose}/encryption-noise", 32)
    return nonce, scheme.encrypt(keys, nonce, values, noise_key)


def commit_to(scheme: RoundScheme, client: Address, nonce: Nonce, body: bytes, sign: Sign) -> SignedCommitment:
    """``client``'s word for the body whose content digest it names."""
    plan, digest = scheme.plan, cid_of(body, scheme.block_bytes).digest
    commitment = Commitment(plan.task, plan.round, client, scheme.label, nonce, digest)
    return SignedCommitment(commitment, sign(domain_of(plan), commitment))
