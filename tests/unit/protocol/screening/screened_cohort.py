"""Clients and authorities in memory: ciphertexts of true pads, shares of sketches, masked answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import Subset, authority_share, draw_master_keys
from protocol.encryption.pad.encoding import Words
from protocol.encryption.suite import PAD, suite
from protocol.identifiers import sha256
from protocol.randomness import SeededRandomness
from protocol.screening.gram import block_norms, gram
from protocol.screening.mask import Masked, add_mask
from protocol.screening.openings import packed_answer
from protocol.screening.pads import pad_share, update_share
from protocol.screening.sketch import Sketch

Integers = npt.NDArray[np.int64]
REQUEST = sha256(b"request")


@dataclass
class Cohort:
    """``values``: one update for each client, shape (n, d), all in ±2^40."""

    m: int
    t: int
    values: Integers
    label: bytes = sha256(b"label")
    bodies: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        randomness = SeededRandomness(b"cohort")
        n = len(self.values)
        self.clients = sorted(sha256(b"client %d" % i)[:20] for i in range(n))
        self.nonces = [sha256(self.label + b"nonce %d" % i)[:16] for i in range(n)]
        self.keys: list[dict[Subset, bytes]] = [
            draw_master_keys(randomness, self.m, self.t, f"keys {i}") for i in range(n)
        ]
        scheme = suite(PAD)
        encoding = scheme.encoding_for(42, 6)
        self.bodies = [
            scheme.encrypt(keys, self.label, nonce, own, encoding, bytes(32))
            for keys, nonce, own in zip(self.keys, self.nonces, self.values, strict=True)
        ]

    @property
    def dimension(self) -> int:
        return int(self.values.shape[1])

    def entries(self, j: int) -> list[Masked]:
        return [
            Masked(client, nonce, authority_share(keys, j))
            for client, nonce, keys in zip(self.clients, self.nonces, self.keys, strict=True)
        ]

    def pad(self, j: int, i: int) -> Words:
        share = authority_share(self.keys[i], j)
        return pad_share(j, self.m, self.t, self.label, share, self.nonces[i], self.dimension)

    def update(self, j: int, i: int) -> Words:
        """[v_i]_j."""
        return update_share(self.bodies[i], self.pad(j, i), 0, np.zeros(self.dimension, np.uint64))

    def rows(self, j: int, sketch: Sketch) -> Words:
        return np.stack([sketch.of_words(self.update(j, i)) for i in range(len(self.values))])

    def masked(self, j: int, kind: bytes, words: Words) -> bytes:
        add_mask(words, j, self.m, self.t, kind, self.label, REQUEST, self.entries(j))
        return packed_answer(words)

    def gram_answer(self, j: int, sketch: Sketch) -> bytes:
        return self.masked(j, b"gram", gram(self.rows(j, sketch)))

    def norm_answer(self, j: int, sketch: Sketch) -> bytes:
        return self.masked(j, b"norm", block_norms(self.rows(j, sketch)))
