"""What every page of a household is rendered with: the house, and what its head shows."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from client_agent.web.household import Home
from client_agent.web.worker import Stage
from protocol.identifiers import NATIVE_COIN, Address, checksummed
from protocol.randomness import Randomness
from storage.pages.formats import COIN, Token
from storage.pages.pages import Face, Pages

FOLDER: Final = Path(__file__).parent
LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


class NamesOfTheHome(Container[str]):
    """Names by which a page on the home network may be asked: an address is no name that a stranger could point here,
    and other names are those that the owner gives."""

    def __init__(self, names: Container[str]) -> None:
        self._names = names

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return name in self._names or name == "localhost"
        return True


@dataclass(frozen=True, slots=True)
class Frame:
    """``token``: amounts of the chain's own coin are shown by its name."""

    home: Home
    pages: Pages
    coin: Token = COIN

    def render(self, request: Request, template: str, *, status: int = 200, **facts: Any) -> Response:
        """``request`` is of a paired browser."""
        state = self.home.state
        waiting = sorted(task for task, one in self.home.workers.items() if one.progress.stage is Stage.ASKING)
        head = {
            "events": f"/events?since={request.state.version}",
            "unread": state.unread,
            "waiting": waiting,
            "client": self.home.client,
        }
        return self.pages.render(request, template, status=status, **{**head, "token_of": self.token, **facts})

    def show(self, request: Request, template: str, facts: Mapping[str, object]) -> Response:
        return self.render(request, template, **dict[str, Any](facts))

    def token(self, address: Address) -> Token:
        """A token of a contract is named by its address alone: what it calls itself, anybody may."""
        return self.coin if address == NATIVE_COIN else Token(f"({checksummed(address)[:10]}…)", 0)


def pages_of(hosts: Container[str], zone: tzinfo, randomness: Randomness) -> Pages:
    return Pages(Face("household", FOLDER, hosts, zone=zone), randomness)
