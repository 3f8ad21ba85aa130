"""Our suites through their one port: clients of a round encrypt, authorities answer, the server decrypts the sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.content.cid import Cid, cid_of
from protocol.encryption.committee import Subset, authority_share, draw_master_keys
from protocol.encryption.port import Encoding, Entry, Suite
from protocol.encryption.suite import FE64 as FE64_SUITE
from protocol.encryption.suite import PAD, suite
from protocol.identifiers import sha256
from protocol.randomness import SeededRandomness
from scripts.bench.streams import authority_streams, client_streams, make, make_and_digest
from scripts.bench.systems import Row, row, significant
from scripts.bench.targets import FE64, FE64_6, FE64_11, PAD4, PAD6
from scripts.bench.timing import REPETITIONS, Enough, Timing, alternate, clock
from scripts.bench.workload import Integers, Workload, heaviest_for

LABEL: Final = sha256(b"benchmark")


@dataclass(frozen=True)
class System:
    """A suite with its parameters; ``most_clients``: as many as the budget of its encoding allows."""

    name: str
    suite: str
    m: int
    t: int
    bits: int
    packing: int
    most_clients: int
    weighted: bool = True

    @property
    def scheme(self) -> Suite:
        return suite(self.suite)

    @property
    def encoding(self) -> Encoding:
        return self.scheme.encoding_for(self.bits, self.packing)

    def workload(self, clients: int, dimension: int) -> Workload:
        return Workload(clients, dimension, self.bits, heaviest_for(clients) if self.weighted else 1)


FE64_SYSTEM: Final = System(FE64, FE64_SUITE, 4, 3, 16, 2, 2000)
SYSTEMS: Final = (
    FE64_SYSTEM,
    System(FE64_11, FE64_SUITE, 4, 3, 11, 3, 127, weighted=False),
    System(FE64_6, FE64_SUITE, 4, 3, 6, 4, 130, weighted=False),
    System(PAD4, PAD, 5, 2, 16, 4, 2000),
    System(PAD6, PAD, 5, 2, 16, 6, 2000),
)


class Round:
    """All clients of a workload have encrypted under one label; every encryption was timed."""

    def __init__(self, system: System, workload: Workload) -> None:
        self.system, self.workload = system, workload
        self.scheme, self.encoding = system.scheme, system.encoding
        self._randomness = SeededRandomness(b"benchmark")
        self.keys = [self._draw_keys(client) for client in range(workload.clients)]
        self.nonces = [self._randomness.draw(f"nonce {client}", 16) for client in range(workload.clients)]
        self.bodies: list[bytes] = []
        self.expected = np.zeros(workload.dimension, np.int64)
        self.encrypt(0, workload.values(0))  # compiles and warms up
        seconds = []
        for client, weight in enumerate(workload.weights):
            values = workload.values(client)
            elapsed, body = clock(partial(self.encrypt, client, values))
            seconds.append(elapsed)
            self.bodies.append(body)
            self.expected += weight * values
        while len(seconds) < REPETITIONS:  # too few clients for a best of so many
            seconds.append(clock(lambda: self.encrypt(0, workload.values(0)))[0])
        self.client = Timing.of(seconds)

    def _draw_keys(self, client: int) -> dict[Subset, bytes]:
        return draw_master_keys(self._randomness, self.system.m, self.system.t, f"keys {client}")

    def encrypt(self, client: int, values: Integers) -> bytes:
        noise = self._randomness.draw(f"noise {client}", 32)
        return self.scheme.encrypt(self.keys[client], LABEL, self.nonces[client], values, self.encoding, noise)

    def entries(self, authority: int) -> list[Entry]:
        """What an authority has at hand: its keys of every client, nonces and weights."""
        return [
            (authority_share(keys, authority), nonce, weight)
            for keys, nonce, weight in zip(self.keys, self.nonces, self.workload.weights, strict=True)
        ]

    def partial_key(self, authority: int, entries: list[Entry]) -> bytes:
        system, dimension = self.system, self.workload.dimension
        return self.scheme.partial_key(authority, system.m, system.t, LABEL, entries, self.encoding, dimension)

    def partial_keys(self) -> dict[int, bytes]:
        """The answers of as many authorities as are needed."""
        return {j: self.partial_key(j, self.entries(j)) for j in range(1, self.system.t + 1)}

    def check(self, sums: Integers) -> None:
        if not np.array_equal(sums, self.expected):
            raise ArithmeticError(f"{self.system.name}: the decrypted sum is not the plain one")


@dataclass(frozen=True)
class ServerTimings:
    """Parts of what the server does, and the whole; every repetition decrypted the exact sum."""

    aggregate: Timing
    combine: Timing
    decrypt: Timing
    whole: Timing


def measure_client(played: Round, repetitions: int) -> tuple[Timing, Timing]:
    """Encryption and digest, and the key streams and the digest alone."""
    needed = client_streams(played.system, played.workload.dimension)
    values, body, block_bytes = played.workload.values(0), played.bodies[0], played.encoding.block_bytes
    digest = cid_of(body, block_bytes)

    def same(found: Cid) -> None:
        if found != digest:
            raise ArithmeticError("a client's ciphertexts differ")

    return alternate(
        lambda: cid_of(played.encrypt(0, values), block_bytes),
        lambda: make_and_digest(needed, body, block_bytes),
        same,
        repetitions,
    )


def measure_authority(played: Round, repetitions: int) -> tuple[Timing, Timing]:
    """One authority's answer, and its key streams alone."""
    entries, needed = played.entries(1), authority_streams(played.system, len(played.bodies), played.workload.dimension)
    expected = played.partial_key(1, entries)

    def same(answer: bytes) -> None:
        if answer != expected:
            raise ArithmeticError("an authority's answers differ")

    return alternate(lambda: played.partial_key(1, entries), lambda: make(needed), same, repetitions)


def measure_server(played: Round, repetitions: int) -> tuple[ServerTimings, int]:
    """The server's timings, and the size of the functional key."""
    partials = played.partial_keys()
    seconds: list[tuple[float, float, float]] = []
    enough = Enough(repetitions)
    while not enough:
        seconds.append(decrypt_sum(played, partials))
        enough.count(sum(seconds[-1]))
    aggregate, combine, decrypt = (Timing.of(column) for column in zip(*seconds, strict=True))
    return ServerTimings(aggregate, combine, decrypt, Timing.of(map(sum, seconds))), len(partials[1])


def decrypt_sum(played: Round, partials: Mapping[int, bytes]) -> tuple[float, float, float]:
    """Seconds of aggregation, key combination and decryption; raises when the sum is wrong."""
    scheme, encoding, workload, system = played.scheme, played.encoding, played.workload, played.system

    def aggregate() -> npt.NDArray[np.uint64]:
        aggregator = scheme.aggregator(encoding, workload.dimension)
        aggregator.fold_all(played.bodies, workload.weights)
        return aggregator.words

    aggregating, words = clock(aggregate)
    combining, key = clock(lambda: scheme.combine(partials, system.m, system.t, encoding, workload.dimension))
    decrypting, decrypted = clock(
        lambda: scheme.decrypt(words, LABEL, key, encoding, workload.dimension, workload.weights)
    )
    played.check(decrypted.sums)
    return aggregating, combining, decrypting


def measure_system(system: System, clients: int, dimension: int, repetitions: int = REPETITIONS) -> Row:
    """One row of the result."""
    return row_of(Round(system, system.workload(clients, dimension)), repetitions)


def row_of(played: Round, repetitions: int = REPETITIONS) -> Row:
    """The row of a round that was played."""
    sealing, client_streams_alone = measure_client(played, repetitions)
    authority, authority_streams_alone = measure_authority(played, repetitions)
    server, key_bytes = measure_server(played, repetitions)
    system, workload = played.system, played.workload
    timings = {
        "client_ms": played.client,
        "server_ms": server.whole,
        "authority_ms": authority,
        "aggregate_ms": server.aggregate,
        "combine_ms": server.combine,
        "decrypt_ms": server.decrypt,
    }
    sent = max(map(len, played.bodies))
    return row(
        system.name,
        system.suite,
        workload.clients,
        workload.dimension,
        timings,
        sent / workload.dimension,
        key_bytes,
        committee=f"{system.t} of {system.m}",
        bits=system.bits,
        rounds=1,
        client_over_streams=significant(sealing.minimum / client_streams_alone.minimum),
        authority_over_streams=significant(authority.minimum / authority_streams_alone.minimum),
    )
