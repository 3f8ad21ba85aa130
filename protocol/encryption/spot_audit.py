"""The spot audit: some blocks of a round recomputed from leaves of the stored objects (``encryption.md`` 4.6).

Blocks are independent, so s random ones miss tampering with a share phi of them with probability (1 - phi)^s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from protocol.encryption.port import Body, Encoding, Suite
from protocol.errors import EncryptionError, Party


def block_count(encoding: Encoding, dimension: int) -> int:
    return -(-encoding.body_bytes(dimension) // encoding.block_bytes)


def choose_blocks(seed: bytes, count: int, blocks: int) -> tuple[int, ...]:
    """``count`` of ``blocks`` blocks (all, if there are no more), ascending, by a seed that the server did not know.

    Those whose SHA-256(seed || number as 8 bytes, big-endian) are smallest.
    """
    order = sorted(range(blocks), key=lambda block: sha256(seed + block.to_bytes(8, "big")).digest())
    return tuple(sorted(order[:count]))


def check_blocks(
    scheme: Suite,
    encoding: Encoding,
    dimension: int,
    label: bytes,
    functional_key: bytes,
    weights: Sequence[int],
    leaves: Mapping[int, Sequence[Body]],
    sums: npt.NDArray[np.int64],
) -> int:
    """Decrypts every block of ``leaves`` (block -> that leaf of every body, in the order of ``weights``).

    ``sums`` are the published ones, shape (d,). Returns the largest noise left. Raises EncryptionError
    ``E_AUDIT_MISMATCH`` when they are not what the ciphertexts give, and like ``Suite.decrypt_block``.
    """
    residual = 0
    for block, parts in leaves.items():
        decrypted = scheme.decrypt_block(block, parts, label, functional_key, encoding, dimension, weights)
        if not np.array_equal(decrypted.sums, sums[encoding.block_coordinates(block, dimension)]):
            raise EncryptionError(
                f"block {block} decrypts to other sums than the published",
                code="E_AUDIT_MISMATCH",
                fault=Party.EDGE_SERVER,
            )
        residual = max(residual, decrypted.max_residual)
    return residual
