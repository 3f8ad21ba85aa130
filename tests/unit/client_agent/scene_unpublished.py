"""Rounds that a phone commits in and that are not published, and what the ledger pays it for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from protocol.messages.chain import Compensated, KeyRequested, RoundFrozen
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, UNTIL_END, Phone
from tests.unit.client_agent.scene_server import EDGE, PHONE, PlayedServer

PARTICIPATION, REWARD = 599, 1_000
End = Callable[[PlayedServer], None]


def compensated(server: PlayedServer) -> list[tuple[int, int]]:
    """Round and amount of every payment to the phone."""
    events = [event for event in server.chain.events() if isinstance(event, Compensated)]
    assert {event.client for event in events} <= {PHONE.address}
    return [(event.round, event.amount) for event in events]


def enrolled(folder: Path, server: PlayedServer | None = None) -> Phone:
    phone = Phone(server or PlayedServer(), folder)
    phone.steps(60)
    return phone


def commit(phone: Phone) -> None:
    phone.server.open()
    phone.steps(UNTIL_BATCH)
    phone.server.commit_batch()
    phone.steps(UNTIL_END - UNTIL_BATCH)


def freeze(server: PlayedServer) -> None:
    server.chain.mine(RoundFrozen, round=server.number, culprit=EDGE.address)


def request(server: PlayedServer) -> None:
    server.chain.mine(KeyRequested, round=server.number, request=b"\1" * 32)


def requested_and_expired(server: PlayedServer) -> None:
    request(server)
    server.expire()


def published_and_frozen(server: PlayedServer) -> None:
    server.publish()
    freeze(server)
