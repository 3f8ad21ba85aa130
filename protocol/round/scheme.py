"""The encryption of one round: suite and encoding are asked for here; every step is bound to what the plan fixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import Subset, subsets
from protocol.encryption.port import Aggregator, DecryptedSum, Encoding, Entry, Suite
from protocol.encryption.suite import suite
from protocol.identifiers import Address, Label
from protocol.messages.round import PlanHead, RoundPlan
from protocol.messages.task import Committee, TaskSpec
from protocol.model.specification import dimension_of


def encoding_of(agreed: TaskSpec | PlanHead) -> Encoding:
    """Raises EncryptionError ``E_PARAMS`` for a suite or an encoding that there is not."""
    return suite(agreed.suite).encoding_for(agreed.learning.quantiser.bits, agreed.learning.encoding.packing)


def prepare(spec: TaskSpec, clients: int) -> None:
    """Loads what the key streams of ``clients`` clients need, before a round waits for it. Raises like ``subsets``."""
    keys = len(subsets(len(spec.committee.members), spec.committee.threshold))
    suite(spec.suite).prepare(keys * clients * dimension_of(spec.model))


@dataclass(frozen=True, slots=True)
class RoundScheme:
    """A plan with its suite, encoding and label, and the size ``m`` and threshold ``t`` of the task's committee.

    Raises of the steps: see :class:`~protocol.encryption.port.Suite`.
    """

    plan: PlanHead
    label: Label
    suite: Suite
    encoding: Encoding
    m: int
    t: int

    @classmethod
    def of(cls, plan: PlanHead, committee: Committee) -> RoundScheme:
        """Raises like :func:`encoding_of`."""
        m, t = len(committee.members), committee.threshold
        return cls(plan, plan.label(), suite(plan.suite), encoding_of(plan), m, t)

    @property
    def weights(self) -> dict[Address, int]:
        """By client; of a plan with its clients, which phones do not read."""
        assert isinstance(self.plan, RoundPlan)
        return {entry.client: entry.weight for entry in self.plan.weights}

    @property
    def body_bytes(self) -> int:
        """Exact size of a ciphertext."""
        return self.encoding.body_bytes(self.plan.dimension)

    @property
    def max_fetched_bytes(self) -> int:
        """What is read of a committed object before it counts as corrupt; up to here another size is malformed."""
        return 16 * self.body_bytes + 65_536

    @property
    def block_bytes(self) -> int:
        """Chunk size of a stored ciphertext."""
        return self.encoding.block_bytes

    @property
    def key_bytes(self) -> int:
        """Exact size of a functional key, partial or combined."""
        return self.encoding.functional_key_bytes(self.plan.dimension)

    def encrypt(
        self, keys: Mapping[Subset, bytes], nonce: bytes, values: npt.NDArray[np.int64], noise_key: bytes
    ) -> bytes:
        """The body of ``values``, shape (d,), under the client's ``keys`` of the plan's epoch."""
        return self.suite.encrypt(keys, self.label, nonce, values, self.encoding, noise_key)

    def partial_key(self, j: int, entries: Sequence[Entry]) -> bytes:
        """What authority ``j`` answers."""
        return self.suite.partial_key(j, self.m, self.t, self.label, entries, self.encoding, self.plan.dimension)

    def combine(self, partials: Mapping[int, bytes]) -> bytes:
        """The functional key from the answers by authority number."""
        return self.suite.combine(partials, self.m, self.t, self.encoding, self.plan.dimension)

    def aggregator(self) -> Aggregator:
        """A sum of nothing yet."""
        return self.suite.aggregator(self.encoding, self.plan.dimension)

    def decrypt(self, words: npt.NDArray[np.uint64], functional_key: bytes, weights: Sequence[int]) -> DecryptedSum:
        """The sum under ``weights``, of shape (d,)."""
        return self.suite.decrypt(words, self.label, functional_key, self.encoding, self.plan.dimension, weights)
