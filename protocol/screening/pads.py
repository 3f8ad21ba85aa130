"""An authority's share of an update, the ciphertext minus its share of the pad; and its sum key, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from protocol.encryption.committee import Subset
from protocol.encryption.pad.encoding import Words
from protocol.encryption.pad.sharing import share_coefficients
from protocol.encryption.port import Body
from protocol.encryption.shares import derive
from protocol.encryption.weights import MAX_WEIGHT
from protocol.errors import EncryptionError, Party
from protocol.identifiers import Digest, Label, Nonce
from protocol.screening.arithmetic import WIDTH, WORDS, loops, pad_arithmetic

_PURPOSE: Final = b"PAD/main/1"  # of the suite: these are the pads that the ciphertexts have


def pad_share(
    j: int, m: int, t: int, label: Label, share: Mapping[Subset, bytes], nonce: Nonce, dimension: int
) -> Words:
    """[r_i]_j below p, shape (d,), from the keys of the label's epoch. Raises EncryptionError ``E_PARAMS``."""
    coefficients = share_coefficients(m, t, j, WIDTH)
    if set(share) != set(coefficients):
        raise EncryptionError(f"a client's share is not that of authority {j}", code="E_PARAMS")
    keys = [derive(share[subset], _PURPOSE, label, nonce) for subset in coefficients]
    words = np.zeros(dimension, np.uint64)
    pad_arithmetic(dimension * len(keys)).add_share(words, 1, keys, list(coefficients.values()), WORDS)
    return words


def check_fetched(body: Body, found: Digest, signed: Digest, dimension: int) -> None:
    """What an authority holds against a ciphertext that it fetched itself. ``found``: its content digest; ``signed``:
    what the client signed.

    Without it an edge server could have authorities sketch a false ciphertext of a client that colludes, and read
    linear functions of all other updates. Raises EncryptionError ``E_SKETCH_BYTES``.
    """
    if found != signed:
        message = "a ciphertext is not the one that its client signed"
        raise EncryptionError(message, code="E_SKETCH_BYTES", fault=Party.EDGE_SERVER)
    if len(body) != WIDTH * dimension:
        message = f"a ciphertext of {len(body)} bytes for {dimension} coordinates"
        raise EncryptionError(message, code="E_SKETCH_BYTES", fault=Party.CLIENT)


def update_share(body: Body, pad: Words, weight: int, sum_key: Words) -> Words:
    """[v_i]_j below p, from a checked ciphertext and the authority's share of its pad; and adds ``weight`` (0..255)
    times the pad's to ``sum_key``, in place.

    A word of p or more in the body counts modulo p, as in the sum.
    """
    if not 0 <= weight <= MAX_WEIGHT or len(body) != WIDTH * len(pad) or pad.shape != sum_key.shape:
        raise EncryptionError("body, pad, sum key and weight do not fit together", code="E_PARAMS")
    return loops(4 * len(pad)).absorb(body, pad, weight, sum_key)


def withdraw(sum_key: Words, pad: Words, weight: int) -> None:
    """Takes a client whom the verdict rejects out of the sum key again, in place."""
    factor = -weight % WORDS.modulus
    sum_key[:] = pad_arithmetic(len(pad)).scaled_sum([sum_key, pad], [1, factor], WORDS)
