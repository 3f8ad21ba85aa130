"""How many times more a peer takes: its best run over our best run, of the same work in the same run."""

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


def ratios(ours: Row, peers: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Peer -> client, bytes, server (and server_weighted where the peer's plain sum is another measurement)."""
    return {
        peer["name"]: {
            name: significant(peer[theirs] / ours[own])
            for name, (theirs, own) in _COLUMNS.items()
            if peer.get(theirs) is not None
        }
        for peer in peers
    }
