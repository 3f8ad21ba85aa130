"""The other processes of the streamed round: clients that write ciphertexts and authorities that write partial keys.

``python -m scripts.bench.streaming_parties clients FIRST LAST STEP DIMENSION`` or ``authority NUMBER CLIENTS
DIMENSION``; bytes to standard output. Every client has its own keys, nonce and noise; the values repeat after
``PATTERNS`` clients.
"""

from __future__ import annotations

import sys
from typing import Final

from protocol.encryption.committee import Subset, authority_share, draw_master_keys
from protocol.encryption.suite import FE64 as SUITE
from protocol.randomness import SeededRandomness
from scripts.bench.ours import LABEL, System
from scripts.bench.targets import FE64
from scripts.bench.workload import Integers, Workload

PATTERNS: Final = 16
STREAMED_SYSTEM: Final = System(FE64, SUITE, 4, 3, 13, 2, 16_000, weighted=False)

_RANDOMNESS: Final = SeededRandomness(b"streamed")


def patterns(dimension: int) -> list[Integers]:
    """What client i sends is number i modulo ``PATTERNS`` of these."""
    workload = Workload(PATTERNS, dimension, STREAMED_SYSTEM.bits, 1)
    return [workload.values(pattern) for pattern in range(PATTERNS)]


def write_ciphertexts(first: int, last: int, step: int, dimension: int) -> None:
    scheme, encoding, values = STREAMED_SYSTEM.scheme, STREAMED_SYSTEM.encoding, patterns(dimension)
    for client in range(first, last, step):
        noise = _RANDOMNESS.draw(f"noise {client}", 32)
        body = scheme.encrypt(_keys(client), LABEL, _nonce(client), values[client % PATTERNS], encoding, noise)
        sys.stdout.buffer.write(body)


def write_partial_key(authority: int, clients: int, dimension: int) -> None:
    entries = [(authority_share(_keys(client), authority), _nonce(client), 1) for client in range(clients)]
    system = STREAMED_SYSTEM
    sys.stdout.buffer.write(
        system.scheme.partial_key(authority, system.m, system.t, LABEL, entries, system.encoding, dimension)
    )


def _keys(client: int) -> dict[Subset, bytes]:
    return draw_master_keys(_RANDOMNESS, STREAMED_SYSTEM.m, STREAMED_SYSTEM.t, f"keys {client}")


def _nonce(client: int) -> bytes:
    return _RANDOMNESS.draw(f"nonce {client}", 16)


if __name__ == "__main__":
    role, *numbers = sys.argv[1:]
    if role == "clients":
        write_ciphertexts(*map(int, numbers))
    else:
        write_partial_key(*map(int, numbers))
