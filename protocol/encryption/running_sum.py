"""A running weighted sum of ciphertext bodies: the checks that every suite makes before it adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from protocol.encryption.port import Body
from protocol.encryption.weights import check_weight
from protocol.errors import EncryptionError, MalformedError, Party

Words = npt.NDArray[np.uint64]
Add = Callable[[Words, Sequence[Body], Sequence[int]], None]  # adds the weighted bodies to the first argument


class RunningSum:
    """``total`` is the sum of nothing; ``add`` adds, ``reduce`` gives the sum in its one form."""

    def __init__(self, body_bytes: int, total: Words, add: Add, reduce: Callable[[Words], Words]) -> None:
        self._body_bytes, self._total, self._add, self._reduce = body_bytes, total, add, reduce

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

    @property
    def words(self) -> Words:
        return self._reduce(self._total)
