"""A screened task of a simulation, with a committee that can name a liar, stepped by hand until its rounds are over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from protocol.messages.screening import Screening
from protocol.messages.screening_terms import FOOLSGOLD
from protocol.messages.settlement import RoundRecord, Verdict
from protocol.messages.task import TaskSpec
from protocol.task.proposed_screening import screened
from protocol.task.runnable import check_runnable
from tests.simulation.parties import Process
from tests.simulation.world import World

AUTHORITIES = 5  # 2t + 1: one that lies is named
STEPS = 3_000


class ScreenedWorld(World):
    """Nothing goes wrong but what a test does."""

    @contextmanager
    def closing(self) -> Iterator[ScreenedWorld]:
        try:
            yield self
        finally:
            self.close()

    def until(
        self,
        holds: Callable[[], object],
        away: Callable[[Process], bool] = lambda _: False,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Steps every process that is not ``away``, each for one move in turn; ``watch`` is called after each."""
        for _ in range(STEPS):
            if holds():
                return
            for process in (*self.servers, *self.phones, *self.authorities):
                if not away(process):
                    self.step(process)
                    watch()
            self.invariants.check()
            self.jump()
        raise AssertionError("nothing happened")

    def all_ended(self) -> bool:
        rounds = self.reader().state.rounds
        return len(rounds) == self.spec.rounds and not rounds[-1].running

    def ended(self, number: int) -> Callable[[], bool]:
        return lambda: len(self.reader().state.rounds) >= number and not self.reader().state.rounds[number - 1].running

    def running(self, number: int) -> bool:
        current = self.reader().state.current
        return current is not None and current.number == number

    def verdict(self, number: int) -> Verdict:
        return self.record(number).verdict

    def record(self, number: int) -> RoundRecord:
        record = self.reader().state.record(number)
        assert isinstance(record, RoundRecord)
        return record

    def evidence(self, number: int) -> Screening:
        evidence = self.reader().state.screening(number)
        assert isinstance(evidence, Screening)
        return evidence

    def reasons(self, number: int) -> dict[int, str]:
        """By number of the phone."""
        return {self.phone_of(entry.client): entry.reason for entry in self.verdict(number).rejected}

    def accepted(self, number: int) -> set[int]:
        return set(map(self.phone_of, self.verdict(number).accepted))

    def phone_of(self, client: bytes) -> int:
        return [phone.signer.address for phone in self.phones].index(client)

    def planned(self, number: int) -> set[int]:
        plan = self.reader().state.plan(number)
        return {self.phone_of(entry.client) for entry in getattr(plan, "weights", ())}

    def weights(self, number: int) -> list[int]:
        """By number of the phone."""
        plan = self.reader().state.plan(number)
        weights = {self.phone_of(entry.client): entry.weight for entry in getattr(plan, "weights", ())}
        return [weights[phone] for phone in sorted(weights)]


def screened_world(
    folder: Path, rule: str = FOOLSGOLD, probation: int = 1, unopened: str = "", **more: Any
) -> ScreenedWorld:
    """``unopened``: what becomes of a round that is not opened, if not what is usual; ``more``: of the world."""

    def shape(spec: TaskSpec) -> TaskSpec:
        found = screened(spec, rule, probation)
        if unopened:
            found = replace(found, screening=replace(found.screening, unopened=unopened))
        check_runnable(found)
        return found

    world = ScreenedWorld(1, folder, authorities=AUTHORITIES, shape=shape, **{"servers": 1, "phones": 4} | more)
    world.faults.calm = True
    return world
