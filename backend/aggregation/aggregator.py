"""The weighted sum of verified updates, opened with the committee's key, and the model's step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from backend.aggregation.verifier import VerifiedSum
from protocol.encryption.agreement import liars
from protocol.encryption.port import DecryptedSum
from protocol.encryption.suite import suite
from protocol.errors import EncryptionError, MalformedError, Party
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.task import Committee
from protocol.model.step import apply_step


@dataclass(frozen=True)
class Aggregate:
    """What the round's publication is made of. Authorities by position (from 1): ``members`` made the key, ``accused``
    signed something else, provably.
    """

    opened: DecryptedSum
    key: bytes
    members: tuple[int, ...]
    accused: tuple[int, ...]
    parameters: npt.NDArray[np.float32]


def open_sum(
    plan: RoundPlan,
    committee: Committee,
    request: KeyRequest,
    total: VerifiedSum,
    partials: Mapping[int, bytes],
    indices: npt.NDArray[np.uint32],
    parameters: npt.NDArray[np.float32],
) -> Aggregate:
    """Raises EncryptionError when no ``threshold`` of ``partials`` open the sum of exactly the requested updates.

    With a wrong share among them, the largest set of shares that agree and open the sum is taken. When sets of that
    size open it with different keys, nothing tells which is right: ``E_SHARE_INCONSISTENT``.
    """
    scheme, weights = suite(plan.suite), [entry.weight for entry in request.entries]
    encoding = scheme.encoding_for(plan.learning.quantiser.bits, plan.learning.encoding.packing)
    words, m, t = total.words, len(committee.members), committee.threshold

    def combine(chosen: Mapping[int, bytes]) -> bytes:
        return scheme.combine(chosen, m, t, encoding, plan.dimension)

    for size in range(len(partials), t - 1, -1):
        found: dict[bytes, tuple[tuple[int, ...], DecryptedSum]] = {}
        for members in combinations(sorted(partials), size):
            try:
                key = combine({j: partials[j] for j in members})
                opened = scheme.decrypt(words, request.label, key, encoding, plan.dimension, weights)
            except (EncryptionError, MalformedError):
                continue
            found[key] = members, opened
        if len(found) > 1:
            raise EncryptionError(
                f"partial keys of {sorted(partials)} open the sum in {len(found)} ways",
                code="E_SHARE_INCONSISTENT",
                fault=Party.KEY_AUTHORITY,
            )
        for key, (members, opened) in found.items():
            accused = liars(partials, t, combine)
            if set(members) != partials.keys() - set(accused):
                accused = ()  # those who agree do not open the sum: who lies remains open
            stepped = apply_step(parameters, indices, opened.sums, sum(weights), plan.learning.quantiser)
            return Aggregate(opened, key, members, accused, stepped)
    raise EncryptionError("no set of partial keys opens the sum", code="E_COMMITTEE", fault=Party.KEY_AUTHORITY)
