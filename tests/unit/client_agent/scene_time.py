"""A phone and its household under one simulated clock, and every contact of the phone that others see."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from pathlib import Path
from typing import Any

from protocol.round.training import Assignment, Training
from tests.samples import sample_spec
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, UNTIL_END, Phone
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, ROUNDS, PlayedServer, SmallTrainer

SPEC = sample_spec()
T = SPEC.schedule.training_seconds
FIRST, EVERY = 60, UNTIL_END + COMMIT_SECONDS  # when rounds open
CONTACTS = ("next_round", "submit", "inclusion_proof", "entitlement", "request_claim", "enrol")
Contact = tuple[float, str]


class Time:
    """Of one simulation; what others do happens on its way. ``chain``: shows whole seconds, as blocks do."""

    def __init__(self, server: PlayedServer) -> None:
        self.now, self._server, self._due = 0.25, server, list[tuple[float, Callable[[], object]]]()
        for number in range(ROUNDS):
            opening = FIRST + number * EVERY
            self._due.append((opening, server.open))
            self._due.append((opening + UNTIL_BATCH, server.commit_batch))
            self._due.append((opening + UNTIL_END, server.publish))

    def plan(self, instant: float, act: Callable[[], object]) -> None:
        self._due = sorted([*self._due, (instant, act)], key=lambda due: due[0])

    def read(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, act = self._due.pop(0)
            self._server.chain.time = floor(self.now)
            act()
        self.now = until
        self._server.chain.time = floor(until)


class Home(SmallTrainer):
    """Trains for ``seconds`` and fails with ``error`` then, if there is one; looks at its examples for less."""

    def __init__(self, seconds: float, error: Exception | None = None) -> None:
        self.time: Time | None = None
        self._seconds, self._error = seconds, error

    def check(self) -> int:
        assert self.time is not None
        self.time.pass_by(self._seconds / 4)
        return super().check()

    def train(self, assignment: Assignment) -> Training:
        assert self.time is not None
        self.time.pass_by(self._seconds)
        if self._error is not None:
            raise self._error
        return super().train(assignment)


def _watched(phone: Phone, time: Time) -> list[Contact]:
    """Every contact of the phone with anybody from now on, and its instant."""
    seen: list[Contact] = []

    def watch(party: Any, name: str) -> None:
        asked = getattr(party, name)

        def contact(*arguments: Any) -> Any:
            seen.append((time.now, name))
            return asked(*arguments)

        setattr(party, name, contact)

    for name in CONTACTS:
        watch(phone.server, name)
    for name in ("head", "claim", "commit_direct"):
        watch(phone.server.chain, name)
    for name in ("put", "get"):
        watch(phone.agent.store, name)
    return seen


def whole_task(folder: Path, home: Home, *later: Callable[[Phone], None]) -> tuple[Phone, list[Contact]]:
    """``later``: what happens in the household once the phone is enrolled."""
    server = PlayedServer()
    phone = Phone(server, folder, household=home)
    home.time = time = Time(server)
    time.plan(FIRST - 1, lambda: [change(phone) for change in later])
    phone.agent.clock, phone.agent.sleep, phone.agent.poll_seconds = time.read, time.pass_by, 0
    phone.agent.store = phone.agent.participation.store = phone.agent.delivery.store = _Through(server.store)
    seen = _watched(phone, time)
    assert phone.agent.run()
    return phone, seen


class _Through:
    """A store of the phone's own view, so that what the server puts there is not taken for the phone's."""

    def __init__(self, store: Any) -> None:
        self.put, self.get = store.put, store.get
