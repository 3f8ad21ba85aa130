"""TenSEAL's CKKS with the parameters that NVFlare provisions (``nvflare/lighter/impl/he.py``).

Ring degree 8192, moduli [60, 40, 40], scale 2^40, symmetric: every client holds the one secret key, the server a
context without it. The client's time is encryption and serialisation, the server's is addition and the key holder's
decryption. Deserialisation at the server is reported and not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import tenseal as ts

from scripts.bench.peers.measurement import Measurement, check_error
from scripts.bench.timing import Timing, clock, repeat
from scripts.bench.workload import Integers, Workload

TOLERANCE = 1e-5  # of the largest possible sum


def measure(workload: Workload) -> Measurement:
    """Plain sum and weighted sum of the values, scaled into ±1 as NVFlare's differences are."""
    holder = ts.context(
        ts.SCHEME_TYPE.CKKS,
        poly_modulus_degree=8192,
        coeff_mod_bit_sizes=[60, 40, 40],
        encryption_type=ts.ENCRYPTION_TYPE.SYMMETRIC,
    )
    holder.generate_relin_keys()
    holder.global_scale = 2**40
    server = ts.context_from(
        holder.serialize(save_public_key=False, save_secret_key=False, save_galois_keys=False, save_relin_keys=True)
    )

    def encrypt(plain: npt.NDArray[np.float64]) -> bytes:
        body: bytes = ts.ckks_vector(holder, plain).serialize()
        return body

    sent, client_seconds = [], []
    for client in range(workload.clients):
        plain = workload.values(client) / workload.largest
        seconds, body = clock(partial(encrypt, plain))
        client_seconds.append(seconds)
        sent.append(body)
    parse_seconds, received = clock(lambda: [ts.ckks_vector_from(server, body) for body in sent])
    errors: list[float] = []

    def check(decrypted: list[float], expected: Integers, sum_weights: int) -> None:
        off = float(np.abs(np.array(decrypted) * workload.largest - expected).max())
        errors.append(check_error(off, TOLERANCE * sum_weights * workload.largest))

    secret_key, weights = holder.secret_key(), workload.weights
    plain_sum = repeat(
        lambda: _add(received).decrypt(secret_key),
        lambda decrypted: check(decrypted, workload.plain_sum, workload.clients),
    )
    weighted_sum = repeat(
        lambda: _add([vector * float(y) for vector, y in zip(received, weights, strict=True)]).decrypt(secret_key),
        lambda decrypted: check(decrypted, workload.weighted_sum, sum(weights)),
    )
    return Measurement(
        suite="CKKS 8192 [60,40,40] 2^40 symmetric",
        dimension=workload.dimension,
        bytes_per_client=max(map(len, sent)),
        timings={
            "client_ms": Timing.of(client_seconds),
            "server_ms": plain_sum,
            "server_weighted_ms": weighted_sum,
            "deserialise_ms": Timing.of([parse_seconds]),
        },
        error=max(errors),
        tolerance=TOLERANCE * sum(weights) * workload.largest,
        versions={"tenseal": version("tenseal")},
        notes="server: addition and the key holder's decryption; deserialisation not counted",
    )


def _add(vectors: Sequence[Any]) -> Any:
    total = vectors[0] + vectors[1]
    for vector in vectors[2:]:
        total += vector
    return total
