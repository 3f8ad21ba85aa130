"""Options of every server that say where it listens, and for how many."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from backend.listening import Listening

Host = Annotated[
    str, typer.Option(help="address to listen on; other machines reach one that is not loopback, in plain HTTP")
]
UnixSocket = Annotated[
    Path | None, typer.Option(help="listen on this unix socket, for a reverse proxy on this machine, and on no port")
]
TrustedProxy = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help="reverse proxy whose X-Forwarded-For counts; repeat for each; without it, one on loopback",
    ),
]
RequestsOfOne = Annotated[
    int | None,
    typer.Option(
        "--requests-per-address", min=1, max=4096, help="requests of one address that are answered at once; else 256"
    ),
]


def listening_of(
    port: int,
    host: str,
    uds: Path | None,
    trusted_proxy: list[str] | None,
    requests_of_one: int | None,
    ready_file: Path | None,
) -> Listening:
    """Where a server listens, and for how many. Raises BadParameter."""
    from backend.connections import DEFAULT_LIMITS
    from backend.listening import LOOPBACK, Listening

    for text in trusted_proxy or ():
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise typer.BadParameter(f"--trusted-proxy {text}: neither an IP address nor a network") from error
    most = requests_of_one or DEFAULT_LIMITS.requests_of_one
    limits = replace(DEFAULT_LIMITS, requests_of_one=most, requests=max(most, DEFAULT_LIMITS.requests))
    return Listening(port, host, uds, tuple(trusted_proxy or LOOPBACK), limits, ready_file)
