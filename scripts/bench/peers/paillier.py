"""Paillier with 2048 bits, ``phe`` on gmpy2: one ciphertext per coordinate, no packing.

Runs a few coordinates; its whole cost is linear in them. The server's time includes the key holder's decryption.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

from phe import paillier

from scripts.bench.peers.measurement import Measurement, check_error
from scripts.bench.timing import Timing, clock, repeat
from scripts.bench.workload import Workload

COORDINATES = 4


def measure(workload: Workload) -> Measurement:
    """The weighted sum of the first few coordinates."""
    dimension = min(COORDINATES, workload.dimension)
    public, private = paillier.generate_paillier_keypair(n_length=2048)

    def encrypt(values: list[int]) -> list[Any]:
        return [public.encrypt(value) for value in values]

    sent, client_seconds = [], []
    for client in range(workload.clients):
        values = workload.values(client)[:dimension].tolist()
        seconds, body = clock(partial(encrypt, values))
        client_seconds.append(seconds)
        sent.append(body)
    expected = workload.weighted_sum[:dimension].tolist()

    def decrypt_sums() -> list[int]:
        rows = zip(sent, workload.weights, strict=True)
        scaled = [[number * weight for number in body] for body, weight in rows]
        return [private.decrypt(sum(column[1:], start=column[0])) for column in zip(*scaled, strict=True)]

    def check(sums: list[int]) -> None:
        check_error(max(abs(got - wanted) for got, wanted in zip(sums, expected, strict=True)), 0)

    return Measurement(
        suite="Paillier, 2048 bits",
        dimension=dimension,
        bytes_per_client=dimension * 2 * 2048 // 8,
        timings={"client_ms": Timing.of(client_seconds), "server_ms": repeat(decrypt_sums, check)},
        error=0,
        tolerance=0,
        versions={"phe": version("phe"), "gmpy2": version("gmpy2")},
        notes="server: weighted product and the key holder's decryption",
    )
