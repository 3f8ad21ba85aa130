"""Phones of a simulation: the real agent, with a household that always learns a one in a coordinate of its own."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from pathlib import Path

import httpx2
import numpy as np
import numpy.typing as npt

from client_agent.agent import Agent
from client_agent.edge_client import EdgeClient
from client_agent.journal import AgentJournal
from client_agent.privacy.ledger import HOME, PrivacyLedger
from client_agent.training.dp_sgd import DpSgd, NoExamples
from protocol.encryption.committee import Subset
from protocol.identifiers import sha256
from protocol.messages.learning import LearningTerms
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment, Trainer, Training
from protocol.task.acting import NEVER
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from tests.samples import private_key, sample_policy
from tests.simulation.faults import Faults, MortalRecords, Network, SeededChain, UnreliableStore
from tests.simulation.parties import Process, Server, Wire

TASK = 1
MOST_AUTHORITIES = 5
KNOWN = tuple(Signer(private_key("authority", j)).address for j in range(1, MOST_AUTHORITIES + 1))
TRUST = replace(sample_policy().trust, authorities=KNOWN)


class OneCoordinate:
    """A trainer whose delta is so many quantisation steps in coordinate ``own``: a lost or doubled update shows.
    ``boosted``: as many in every coordinate."""

    def __init__(self, own: int, steps: int = 1, boosted: bool = False) -> None:
        self._own, self._steps, self._boosted = own, steps, boosted

    def check(self) -> int:
        return 1

    def noise_alone(self, learning: LearningTerms) -> Trainer:
        return DpSgd(NoExamples())

    def held_out_lengths(self, parameters: npt.NDArray[np.float32], learning: LearningTerms) -> npt.NDArray[np.uint16]:
        return np.zeros(0, dtype=np.uint16)

    def train(self, assignment: Assignment) -> Training:
        mine = assignment.sent.indices == self._own
        values = np.where(mine | self._boosted, self._steps, 0).astype(np.int64)
        return Training(np.zeros(len(values)), (), whole=values)


class OtherKeys(AgentJournal):
    """Of a phone that encrypts under keys which no authority has, in the rounds ``nonsense``: its ciphertexts are well
    formed, and no sum with one of them opens to anything."""

    nonsense: frozenset[int] = frozenset()

    def keys_of(self, epoch: int) -> dict[Subset, bytes]:
        keys = super().keys_of(epoch)
        return {subset: sha256(key) for subset, key in keys.items()} if epoch in self.nonsense else keys


class AsyncRoutes(httpx2.AsyncBaseTransport):
    """By host name."""

    def __init__(self, wires: dict[str, Wire]) -> None:
        self._wires = wires

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._wires[request.url.host].handle_async_request(request)


class Phone(Process):
    """``coordinate``: the one that its household fills, with ``steps``. ``late``: it hears of the task once a round was
    opened."""

    def __init__(
        self,
        number: int,
        chain: SeededChain,
        store: UnreliableStore,
        servers: list[Server],
        network: Network,
        faults: Faults,
        proofs: Path,
        late: bool = False,
        nonsense: frozenset[int] = frozenset(),
        steps: int = 1,
    ) -> None:
        super().__init__(f"phone{number}")
        self.late, self.nonsense, self.steps, self.boosted = late, nonsense, steps, False
        self.signer, self.coordinate, self.records = Signer(private_key("client", number)), number, MemoryRecords()
        self.ledger = MemoryRecords()  # of the household
        self.number, self._chain, self._store, self._servers = number, chain, store, servers
        self._network, self._faults, self._proofs = network, faults, proofs
        self.due, self.lives, self.done = 0, 0, False
        self.start()

    def start(self) -> None:
        self.lives += 1
        edge = EdgeClient([f"http://{server.name}" for server in self._servers])
        wires = {server.name: Wire(server, self._network) for server in self._servers}
        edge._http = httpx2.AsyncClient(transport=AsyncRoutes(wires))
        journal = OtherKeys(MortalRecords(self.records, self._faults))
        journal.nonsense = self.nonsense
        self.agent = Agent(
            task=TASK,
            signer=self.signer,
            ledger=self._chain.ledger_of(self.signer, self._faults),
            store=self._store,
            edge=edge,
            journal=journal,
            privacy=PrivacyLedger(lambda: MortalRecords(self.ledger, self._faults)),
            data_set=HOME,
            policy=replace(sample_policy(), trust=TRUST),
            proofs=self._proofs,
            make_trainer=lambda _: OneCoordinate(self.coordinate, self.steps, self.boosted),
            measure=lambda _: 0.0,
            randomness=SeededRandomness(b"phone %d life %d" % (self.number, self.lives)),
            tell=lambda _: None,
            agree=lambda _: True,
            poll_seconds=0,
        )
        self.due = 0

    def step(self, now: int) -> None:
        due = self.agent.step()
        self.done, self.due = due is None, NEVER if due is None else max(now, ceil(due))

    def kill(self) -> None:
        self.deaths += 1
        self.agent.edge.close()

    def restart(self) -> None:
        self.kill()
        self.start()
