"""Messages of plugs in a few words, and what is left of what they said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from client_agent.data.intake.findings import AnyConvention, Finding, Measurement, Message, Quantity, Refused

NOW = 1_795_860_000  # 2026-11-28 10:00 UTC
HOUR = 3600
DAY = 24 * HOUR


def message(topic: str, content: Any, retained: bool = False) -> Message:
    """``content``: bytes, text as it stands, or what becomes JSON."""
    if isinstance(content, bytes):
        return Message(topic, content, retained)
    return Message(topic, (content if isinstance(content, str) else json.dumps(content)).encode(), retained)


def heard(convention: AnyConvention, messages: Sequence[Message]) -> list[Finding]:
    """All findings of messages that come one after the other."""
    state, found = convention.start, list[Finding]()
    for one in messages:
        answer = convention.read(one, state)
        state = answer.state
        found.extend(answer.findings)
    return found


def readings_in(found: Sequence[Finding]) -> list[tuple[str, str, str, float | None, str]]:
    """Device, channel, quantity, value, unit."""
    return [
        (one.device, one.channel, one.quantity.value, one.value, one.unit)
        for one in found
        if isinstance(one, Measurement)
    ]


def reasons_in(found: Sequence[Finding]) -> list[str]:
    return [one.why.value for one in found if isinstance(one, Refused)]


def watts(value: float | None, device: str = "test:plug", at: float | None = None, stamp: str = "") -> Measurement:
    return Measurement(device, "", Quantity.POWER, value, "W", at, stamp)


def watt_hours(value: float, device: str = "test:plug", at: float | None = None) -> Measurement:
    return Measurement(device, "", Quantity.ENERGY, value, "kWh", at)
