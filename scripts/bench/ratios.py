"""How many times more a peer takes: its best run over our best run of the same work, one right after the other.

A shared machine is twice as fast in one minute as in another, so our round is measured once more beside every peer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scripts.bench.systems import Row, significant

# our FE64 always computes the weighted sum, so it is the yardstick for a peer's plain and weighted sum alike
_COLUMNS: Final = {
    "client": ("client_ms", "client_ms"),
    "bytes": ("bytes_per_coordinate", "bytes_per_coordinate"),
    "server": ("server_ms", "server_ms"),
    "server_weighted": ("server_weighted_ms", "server_ms"),
}


def beside(ours: Row) -> dict[str, float]:
    """What a peer's row keeps of our round that was measured next to it."""
    return {own: ours[own] for own in sorted({own for _, own in _COLUMNS.values()})}


def ratios(peers: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Peer -> client, bytes, server (and server_weighted where the peer's plain sum is another measurement)."""
    return {
        peer["name"]: {
            name: significant(peer[theirs] / peer["beside"][own])
            for name, (theirs, own) in _COLUMNS.items()
            if peer.get(theirs) is not None
        }
        for peer in peers
    }
