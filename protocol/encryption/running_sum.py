"""A running weighted sum of ciphertext bodies: the checks that every suite makes before it adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from protocol.encryption.port import Body, Encoding, PartialSum
from protocol.encryption.weights import check_weight
from protocol.errors import EncryptionError, MalformedError, Party

Words = npt.NDArray[np.uint64]
Add = Callable[[Words, Sequence[Body], Sequence[int]], None]  # adds the weighted bodies to the first argument


class RunningSum:
    """``total`` is the sum of nothing; ``add`` adds, ``reduce`` gives a sum in its one form."""

    def __init__(
        self, encoding: Encoding, dimension: int, total: Words, add: Add, reduce: Callable[[Words], Words]
    ) -> None:
        self._encoding, self._dimension, self._body_bytes = encoding, dimension, encoding.body_bytes(dimension)
        self._total, self._add, self._reduce = total, add, reduce
        self._weights: list[int] = []

    def fold(self, body: Body, weight: int) -> None:
        self.fold_all((body,), (weight,))

    def fold_all(self, bodies: Sequence[Body], weights: Sequence[int]) -> None:
        if len(bodies) != len(weights):
            raise EncryptionError(f"{len(bodies)} bodies with {len(weights)} weights", code="E_PARAMS")
        for body, weight in zip(bodies, weights, strict=True):
            check_weight(weight)
            if len(body) != self._body_bytes:
                raise MalformedError(f"a body of {len(body)} bytes, {self._body_bytes} expected", fault=Party.CLIENT)
        self._add(self._total, bodies, weights)
        self._weights += weights

    def merge(self, other: PartialSum) -> None:
        if (other.encoding, other.dimension) != (self._encoding, self._dimension):
            raise EncryptionError("a partial sum of another suite, encoding or dimension", code="E_PARAMS")
        for weight in other.weights:
            check_weight(weight)
        fits = other.words.dtype == np.uint64 and other.words.shape == self._total.shape
        words = np.require(other.words, requirements=["C", "W"])
        if not fits or not np.array_equal(self._reduce(words), words):
            raise EncryptionError("the words of a partial sum are not in their one form", code="E_PARAMS")
        self._total[:] = self._reduce(self._total) + words  # as small as ``add`` may leave it
        self._weights += other.weights

    @property
    def words(self) -> Words:
        return self._reduce(self._total)

    @property
    def partial(self) -> PartialSum:
        return PartialSum(self._encoding, self._dimension, self.words, tuple(self._weights))
