"""Which examples a household never trains on: each by a coin of its own, so that no example decides about another.

A coin follows from the household's secret and the example's inputs, wherever it stands in a file. So it is the same for
all tasks: what one task holds out, no other one of the same rate trains on, and equal inputs are on the same side.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import MICRO
from protocol.model.dataset import Examples
from protocol.randomness import Randomness
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records

SECRET_BYTES: Final = 32
HOUSEHOLD_SECRET: Final = ("household/secret", SECRET_BYTES)  # as it is drawn
_BLOB: Final = "secret"


@dataclass(frozen=True, slots=True)
class SecretDrawn:
    """It is in a blob, and stays what it is."""


class HouseholdSecret:
    """Drawn when it is first needed, and the same for all phones and tasks of a household from then on."""

    def __init__(self, open_records: Callable[[], Records], randomness: Randomness) -> None:
        """``open_records`` waits for whoever else has them open; they are open for one look at a time."""
        self._open, self._randomness = open_records, randomness
        self._kept: bytes | None = None

    def __call__(self) -> bytes:
        """Durable before it is used. Raises RecordsError."""
        if self._kept is None:
            drawn = Change((SecretDrawn(),), {_BLOB: self._randomness.draw(*HOUSEHOLD_SECRET)})
            with closing(self._open()) as records:
                folded: Folded[bool, SecretDrawn] = Folded(records, [SecretDrawn], False, lambda _, __: True)
                folded.change(lambda known: NOTHING if known else drawn)
                self._kept = records.blob(_BLOB, SECRET_BYTES)
        return self._kept


class Coins:
    """Of one household; ``secret`` is asked for once there are examples to name."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def names(self, examples: Examples) -> npt.NDArray[np.uint64]:
        """One for each example, shape (n,): it tells who lacks the secret nothing."""
        return self._drawn(b"name", examples)

    def held_out(self, examples: Examples, rate_ppm: int) -> npt.NDArray[np.bool_]:
        """Whether each is, shape (n,). One that is held out is so at every higher rate."""
        edge = rate_ppm * 2**64 // MICRO
        if not edge:
            return np.zeros(len(examples), dtype=np.bool_)
        held: npt.NDArray[np.bool_] = self._drawn(b"coin", examples) <= np.uint64(edge - 1)
        return held

    def _drawn(self, what: bytes, examples: Examples) -> npt.NDArray[np.uint64]:
        """64 bits for each example from its inputs as numbers, however a file writes them."""
        key = hmac.digest(self._secret(), b"hearth/" + what, hashlib.sha256)
        inputs = examples.arrays["inputs"].reshape(len(examples), -1)
        drawn = b"".join(
            hmac.digest(key, (row.astype("<f8") + 0.0).tobytes(), hashlib.sha256)[:8]  # of two zeros there is one coin
            for row in inputs
        )
        return np.frombuffer(drawn, dtype="<u8").astype(np.uint64)
