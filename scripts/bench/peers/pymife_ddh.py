"""PyMIFE's multi-client inner-product encryption from DDH (eprint 2017/989), its default random 1024-bit group.

One functional key for the weights serves every coordinate; each coordinate has its own tag and costs one discrete
logarithm. Runs a few coordinates; its whole cost is linear in them.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

from mife.multiclient.rom.ddh import FeDDHMultiClient

from scripts.bench.peers.measurement import Measurement, check_error
from scripts.bench.timing import Timing, clock, repeat
from scripts.bench.workload import Workload

COORDINATES = 4


def measure(workload: Workload) -> Measurement:
    """The weighted sum of the first few coordinates."""
    dimension = min(COORDINATES, workload.dimension)
    tags = [b"coordinate %d" % coordinate for coordinate in range(dimension)]
    key = FeDDHMultiClient.generate(workload.clients, 1)

    def encrypt(values: list[int], own_key: Any) -> list[Any]:
        return [FeDDHMultiClient.encrypt([x], tag, own_key) for x, tag in zip(values, tags, strict=True)]

    sent, client_seconds = [], []
    for client in range(workload.clients):
        values = workload.values(client)[:dimension].tolist()
        seconds, body = clock(partial(encrypt, values, key.get_enc_key(client)))
        client_seconds.append(seconds)
        sent.append(body)
    weights = [[weight] for weight in workload.weights]
    authority = repeat(lambda: FeDDHMultiClient.keygen(weights, key), lambda _: None)
    functional_key = FeDDHMultiClient.keygen(weights, key)
    public, limit = key.get_public_key(), sum(workload.weights) * workload.largest
    expected = workload.weighted_sum[:dimension].tolist()

    def decrypt_sums() -> list[int]:
        return [
            FeDDHMultiClient.decrypt([body[j] for body in sent], tag, public, functional_key, (-limit, limit))
            for j, tag in enumerate(tags)
        ]

    server = repeat(decrypt_sums, lambda sums: _check(sums, expected))
    return Measurement(
        suite="MCFE-DDH, 1024-bit group",
        dimension=dimension,
        bytes_per_client=dimension * 128,
        timings={"client_ms": Timing.of(client_seconds), "server_ms": server, "authority_ms": authority},
        error=0,
        tolerance=0,
        versions={"pymife": version("pymife"), "gmpy2": version("gmpy2")},
        functional_key_bytes=256,
        notes="server: product of powers and one discrete logarithm per coordinate",
    )


def _check(sums: list[int], expected: list[int]) -> None:
    check_error(max(abs(got - wanted) for got, wanted in zip(sums, expected, strict=True)), 0)
