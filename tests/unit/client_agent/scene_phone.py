"""One phone, stepped under a clock of its own, through rounds of a played edge server."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import cast

from client_agent.agent import Agent
from client_agent.edge_client import EdgeClient
from client_agent.journal import AgentJournal
from client_agent.privacy.ledger import HOME, PrivacyLedger
from client_agent.training.trainers import Household
from protocol.randomness import SeededRandomness
from protocol.task.fold import fold
from storage.ledger.interface import Ledger
from storage.records.interface import NOTHING, Change
from storage.records.memory import MemoryRecords
from tests.samples import sample_policy
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, PHONE, PlayedServer, SmallTrainer

UNTIL_BATCH, UNTIL_END = 100, 400
SMALL = SmallTrainer()


class KilledError(Exception):
    """The process is gone."""


class FatalRecords(MemoryRecords):
    """Every entry costs a life before it is durable, and another one afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = False

    def append(self, change: Change, after: int) -> None:
        if change == NOTHING:
            return
        self.tried = not self.tried
        if not self.tried:
            super().append(change, after)
        raise KilledError


class Phone:
    """``tell`` and ``agree`` of its owner are played too; ``lives`` counts its processes."""

    def __init__(
        self,
        server: PlayedServer,
        folder: Path,
        records: MemoryRecords | None = None,
        ledger: MemoryRecords | None = None,
        household: Household = SMALL,
    ) -> None:
        self.household = household
        self.server, self.folder, self.records = server, folder, records or MemoryRecords()
        self.privacy = PrivacyLedger(lambda: self.household_records)
        self.household_records, self.policy = ledger or MemoryRecords(), sample_policy()
        self.told, self.lives = list[str](), 0
        self.start()

    def start(self) -> None:
        """Another life, with nothing but the records of the one before."""
        self.lives, self.deadline = self.lives + 1, float(self.server.chain.time)
        self.agent = Agent(
            task=1,
            signer=PHONE,
            ledger=cast(Ledger, self.server.chain),
            store=self.server.store,
            edge=cast(EdgeClient, self.server),
            journal=AgentJournal(self.records),
            privacy=self.privacy,
            data_set=HOME,
            policy=self.policy,
            proofs=self.folder,
            make_trainer=lambda _: self.household,
            measure=lambda _: 0.0,
            randomness=SeededRandomness(b"life %d" % self.lives),  # no life knows what another one drew
            tell=self.told.append,
            agree=lambda _: True,
            sleep=_never,
        )

    def steps(self, seconds: int) -> None:
        """As many as fall into the next ``seconds``; the clock stands there afterwards."""
        chain = self.server.chain
        until = chain.time + seconds
        while self.deadline <= until:
            chain.time = max(chain.time, math.ceil(self.deadline))
            try:
                deadline = self.agent.step()
                self.deadline = math.inf if deadline is None else deadline
            except KilledError:
                self.start()
        chain.time = until

    def charged(self) -> set[int]:
        """Rounds; none of them twice."""
        rounds = [number for numbers in self.privacy.spending().charged.values() for number in numbers]
        assert len(set(rounds)) == len(rounds)
        return set(rounds)

    def paid(self) -> int:
        claim = fold(1, self.server.chain.events()).claims.get(PHONE.address)
        return 0 if claim is None else claim.cumulative


def _never(_: float) -> None:
    raise AssertionError("a step slept")


def play_round(phone: Phone, model_goes_on: bool = True) -> None:
    server = phone.server
    server.open()
    phone.steps(UNTIL_BATCH)
    server.commit_batch()
    phone.steps(UNTIL_END - UNTIL_BATCH)
    server.publish(model_goes_on)
    phone.steps(COMMIT_SECONDS)


def owed(server: PlayedServer, number: int) -> int:
    """Everything that the allocation of this round gives the phone."""
    return next((e.cumulative for e in server.allocations[number].entitlements if e.client == PHONE.address), 0)


def delivered(server: PlayedServer) -> set[int]:
    """Rounds in which the phone was accepted."""
    settled = sorted(server.allocations)
    return {number for before, number in pairwise(settled) if owed(server, number) > owed(server, before)}
