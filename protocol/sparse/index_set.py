"""The coordinates that a whole cohort sends in a round, from public data alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from protocol.messages.task import MICRO
from protocol.streams import ctr_stream

Indices = npt.NDArray[np.uint32]


def select(
    dimension: int,
    density_ppm: int,
    round_number: int,
    accepted: Sequence[bytes],
    last: tuple[Indices, npt.NDArray[np.int64]] | None,
    always: Indices,
) -> Indices:
    """Ascending coordinates, ceil(dimension * density) of them or as many as are always sent.

    ``always`` first; half of the rest are the largest sums of the ``last`` aggregate (index set, sums; ties go to the
    lower index), the others are drawn by SHA-256 over the round number and ``accepted`` (address || nonce of the last
    accepted set). Without a last aggregate all of the rest is drawn, over the addresses in the rosters. The drawn half
    gives every coordinate its turn. Nobody knows it beforehand, because the accepted nonces decide.
    """
    size = -(-dimension * density_ppm // MICRO)
    chosen = np.zeros(dimension, dtype=bool)
    chosen[always] = True
    rest = max(0, size - len(always))
    if last is not None:
        indices, sums = last
        magnitude = np.zeros(dimension, dtype=np.int64)
        magnitude[indices] = np.abs(sums)
        magnitude[chosen] = 0
        order = np.argsort(-magnitude, kind="stable")
        top = order[: rest // 2]
        chosen[top[magnitude[top] > 0]] = True
    open_places = np.flatnonzero(~chosen)
    missing = min(max(size, len(always)) - int(chosen.sum()), len(open_places))
    chosen[open_places[_draw(len(open_places), missing, _seed(round_number, accepted))]] = True
    return np.flatnonzero(chosen).astype(np.uint32)


def _seed(round_number: int, accepted: Sequence[bytes]) -> bytes:
    digest = hashlib.sha256(b"hearth/index-set/1" + round_number.to_bytes(8, "big"))
    for entry in sorted(accepted):
        digest.update(len(entry).to_bytes(2, "big") + entry)
    return digest.digest()


def _draw(population: int, size: int, seed: bytes) -> npt.NDArray[np.intp]:
    """``size`` different places: those with the smallest of 64-bit keys from AES-CTR under ``seed``."""
    keys = np.frombuffer(ctr_stream(seed, 8 * population), dtype="<u8")
    return np.argsort(keys, kind="stable")[:size]
