"""Connections that only wait cost a server something and bring it nothing: how many there may be, and for how long.

A connection waits for its peer until a whole request is there. Of those, the oldest is dropped when there are too many,
of one address or of all, so that whoever comes with a request finds room however many others say nothing. One that is
being answered is never dropped for room: a phone may wait half a minute for the next round.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from backend.gone import GONE, Gone

Peer = tuple[str, int] | None  # of a socket; None for a unix socket


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    waiting: int = 1024  # connections that wait for their peer
    waiting_of_one: int = 256  # of them from one address: phones behind one router share theirs
    polls: int = 8192  # requests that wait for news
    polls_of_one: int = 1024  # of them from one address, as a trusted proxy names it
    requests: int = 1024  # being answered, without those that wait
    requests_of_one: int = 256  # of them from one address
    head_seconds: float = 10.0  # from connecting, or from the last answer, to the end of a request's header
    body_seconds: float = 60.0  # for the body; the interface itself allows half of it
    answer_seconds: float = 300.0  # until the peer has taken the answer, a long poll's wait included


DEFAULT_LIMITS: Final = ConnectionLimits()


class Phase(Enum):
    HEAD = "the next request's header"
    BODY = "the request's body"
    ANSWER = "the answer"


class Waiting:
    """The connections of one server that wait for their peers, the one that has waited longest first."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._all: dict[GuardedProtocol, None] = {}
        self._of: defaultdict[str, dict[GuardedProtocol, None]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: GuardedProtocol) -> None:
        mine = self._of[connection.origin]
        self._all[connection] = mine[connection] = None
        if len(mine) > self.limits.waiting_of_one:
            next(iter(mine)).drop()
        elif len(self._all) > self.limits.waiting:
            next(iter(self._all)).drop()

    def remove(self, connection: GuardedProtocol) -> None:
        if connection in self._all:
            del self._all[connection], self._of[connection.origin][connection]
            if not self._of[connection.origin]:
                del self._of[connection.origin]


class GuardedProtocol(H11Protocol):
    """uvicorn's, with a deadline for each phase of a connection."""

    waiting: ClassVar[Waiting]
    origin = ""
    _phase: Phase | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.origin = origin(self.client)
        self._enter(Phase.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter(None)
        super().connection_lost(exc)
        gone: Gone | None = self.scope.get(GONE) if self.scope else None  # type: ignore[assignment]
        if gone is not None:
            gone.leave()

    def shutdown(self) -> None:
        """Who has not sent its request by now sends it to another server."""
        if self._phase is Phase.BODY:
            self.drop()
        else:
            super().shutdown()

    def handle_events(self) -> None:
        super().handle_events()
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def drop(self) -> None:
        """At once: a peer that takes nothing would keep a polite end waiting, too."""
        self._enter(None)
        self.transport.abort()

    def _look(self) -> None:
        if self._phase is None:
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._enter(Phase.HEAD)
        else:
            self._enter(Phase.BODY if cycle.more_body else Phase.ANSWER)

    def _enter(self, phase: Phase | None) -> None:
        """None: the connection is at its end."""
        if phase is self._phase:
            return
        self._phase = phase
        if self._deadline is not None:
            self._deadline.cancel()
        self.waiting.remove(self)
        if phase is None:
            return
        limits = self.waiting.limits
        seconds = {
            Phase.HEAD: limits.head_seconds,
            Phase.BODY: limits.body_seconds,
            Phase.ANSWER: limits.answer_seconds,
        }
        self._deadline = self.loop.call_later(seconds[phase], self.drop)
        if phase is not Phase.ANSWER:
            self.waiting.add(self)


def guarded_protocol(limits: ConnectionLimits) -> type[GuardedProtocol]:
    """For one server: its connections are counted together."""
    return type("GuardedProtocol", (GuardedProtocol,), {"waiting": Waiting(limits)})


def origin(peer: Peer) -> str:
    """Whose a connection is, as far as it can be told: of IPv6 the network, all of which one subscriber has."""
    return "" if peer is None else _subscriber(peer[0])


@lru_cache(maxsize=4096)
def _subscriber(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and not address.is_loopback:
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
