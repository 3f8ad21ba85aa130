"""The weighted sum of verified updates, opened with the committee's key, and the model's step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from backend.aggregation.verifier import VerifiedSum
from protocol.encryption.port import Opened
from protocol.encryption.suite import suite
from protocol.errors import EncryptionError, Party
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.task import Committee
from protocol.model.step import apply_step


@dataclass(frozen=True)
class Aggregate:
    """What the round's publication is made of. ``members`` are the positions (from 1) whose shares made the key."""

    opened: Opened
    key: bytes
    members: tuple[int, ...]
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

    With a wrong share among them, the largest set of shares that agree and open the sum is taken.
    """
    scheme, weights = suite(plan.suite), [entry.weight for entry in request.entries]
    encoding = scheme.encoding_for(plan.learning.bits, plan.learning.packing)
    m = len(committee.members)
    for size in range(len(partials), committee.threshold - 1, -1):
        for members in combinations(sorted(partials), size):
            try:
                key = scheme.combine(
                    {j: partials[j] for j in members}, m, committee.threshold, encoding, plan.dimension
                )
                opened = scheme.decrypt(total.words, request.label, key, encoding, plan.dimension, weights)
            except EncryptionError:
                continue
            stepped = apply_step(parameters, indices, opened.sums, sum(weights), plan.learning)
            return Aggregate(opened, key, members, stepped)
    raise EncryptionError("no set of partial keys opens the sum", code="E_COMMITTEE", fault=Party.KEY_AUTHORITY)
