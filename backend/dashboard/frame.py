"""What every page of the dashboard is rendered with: the API behind it, and how amounts are named."""

from __future__ import annotations

import secrets
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Path as PathPart
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.api import Api
from protocol.identifiers import NATIVE_COIN, to_hex
from protocol.randomness import Randomness
from storage.pages.formats import COIN, Token
from storage.pages.pages import Face, Pages

FOLDER: Final = Path(__file__).parent
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
Number = Annotated[int, PathPart(ge=1, le=2**53)]  # of a task, round or audit, in an address
_NATIVE: Final = to_hex(NATIVE_COIN)


class SystemRandomness:
    """The operating system's source; purposes are names only."""

    def draw(self, purpose: str, size: int) -> bytes:
        return secrets.token_bytes(size)


@dataclass(frozen=True, slots=True)
class Frame:
    """``coin``: the chain's own."""

    api: Api
    pages: Pages
    coin: Token = COIN

    @property
    def root(self) -> str:
        return self.pages.face.root

    def render(self, request: Request, template: str, *, status: int = 200, **facts: Any) -> Response:
        return self.pages.render(request, template, status=status, **{"token_of": self.token, **facts})

    def token(self, address: str) -> Token:
        """A token of a contract is named by its address alone: what it calls itself, anybody may."""
        return self.coin if address == _NATIVE else Token(f"({address[:10]}…)", 0)


def names_of(public_urls: Sequence[str]) -> Container[str]:
    """Names by which a browser may ask for the pages: those that the operator gives, and this machine's own."""
    hosts = (urlsplit(url).hostname or "" for url in public_urls)
    return frozenset({*LOOPBACK_NAMES, *(f"[{host}]" if ":" in host else host for host in hosts)})


def pages_of(hosts: Container[str], randomness: Randomness, root: str = "") -> Pages:
    return Pages(Face("dashboard", FOLDER, hosts, root=root), randomness)
