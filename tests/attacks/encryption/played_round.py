"""One round of three clients and a committee of 2-of-3 under either suite, with every part open to a change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import Subset, authority_share, draw_master_keys
from protocol.encryption.port import Encoding, Suite
from protocol.encryption.suite import FE64, PAD, suite
from protocol.randomness import SeededRandomness

M, T, WEIGHTS = 3, 2, (2, 3, 4)
SETTINGS: Mapping[str, tuple[str, int]] = {"fe64": (FE64, 2), "pad 4": (PAD, 4), "pad 6": (PAD, 6)}
MISMATCH = {"fe64": "E_RESIDUAL", "pad 4": "E_RANGE", "pad 6": "E_RANGE"}
BITS = 16


@dataclass(frozen=True)
class Round:
    """``epoch`` names the master keys, ``number`` the nonces and, with ``relabelled``, the label."""

    name: str
    dimension: int
    number: int = 1
    epoch: int = 0
    relabelled: int = 0

    @property
    def scheme(self) -> Suite:
        return suite(SETTINGS[self.name][0])

    @property
    def encoding(self) -> Encoding:
        return self.scheme.encoding_for(BITS, SETTINGS[self.name][1])

    @property
    def label(self) -> bytes:
        return hashlib.sha256(f"round {self.number} {self.relabelled}".encode()).digest()

    def nonce(self, client: int) -> bytes:
        return hashlib.sha256(f"nonce {self.number} {client}".encode()).digest()[:16]

    def keys(self, client: int) -> dict[Subset, bytes]:
        return draw_master_keys(SeededRandomness(b"played round"), M, T, f"client {client} epoch {self.epoch}")

    def values(self, client: int) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng([client, self.number, self.dimension])
        return rng.integers(-32_767, 32_768, self.dimension)

    @property
    def expected(self) -> list[int]:
        sums: list[int] = np.sum([y * self.values(i) for i, y in enumerate(WEIGHTS)], axis=0).tolist()
        return sums

    def body(self, client: int) -> bytes:
        return _body(self, client)

    @property
    def bodies(self) -> list[bytes]:
        return [self.body(client) for client in range(len(WEIGHTS))]

    def partial(self, j: int, clients: Sequence[int] = (0, 1, 2)) -> bytes:
        entries = [(authority_share(self.keys(i), j), self.nonce(i), WEIGHTS[i]) for i in clients]
        return self.scheme.partial_key(j, M, T, self.label, entries, self.encoding, self.dimension)

    @property
    def partials(self) -> dict[int, bytes]:
        return {j: _partial(self, j) for j in range(1, M + 1)}

    def combine(self, partials: Mapping[int, bytes]) -> bytes:
        return self.scheme.combine(partials, M, T, self.encoding, self.dimension)

    def decrypt(
        self,
        bodies: Sequence[bytes] | None = None,
        weights: Sequence[int] = WEIGHTS,
        quorum: Mapping[int, bytes] | None = None,
        label: bytes | None = None,
    ) -> list[int]:
        """What the edge server gets, with the answers of authorities 1 and 2 unless said otherwise."""
        running = self.scheme.aggregator(self.encoding, self.dimension)
        for body, weight in zip(bodies if bodies is not None else self.bodies, weights, strict=True):
            running.fold(body, weight)
        answers = quorum if quorum is not None else {j: _partial(self, j) for j in (1, 2)}
        decrypted = self.scheme.decrypt(
            running.words, label or self.label, self.combine(answers), self.encoding, self.dimension, weights
        )
        sums: list[int] = decrypted.sums.tolist()
        return sums


@cache
def _body(played: Round, client: int) -> bytes:
    noise_key = hashlib.sha256(f"noise {played.number} {client}".encode()).digest()
    keys, nonce = played.keys(client), played.nonce(client)
    return played.scheme.encrypt(keys, played.label, nonce, played.values(client), played.encoding, noise_key)


@cache
def _partial(played: Round, j: int) -> bytes:
    return played.partial(j)
