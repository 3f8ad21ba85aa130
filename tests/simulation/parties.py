"""Edge servers, key authorities and phones of one simulated task: the real ones, on a chain and records in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from backend.api.app import edge_app
from backend.bonds import BondKeeper
from backend.key_authority.app import authority_app
from backend.key_authority.followed import FollowedTasks
from backend.key_authority.forgotten import Recollection
from backend.key_authority.policy import AuthorityPolicy, ChainLimits
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.rosters import Rosters, RosterWatch
from backend.key_authority.service import KeyAuthority
from backend.key_authority.windows import Windows, WindowWatch, seeded
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from backend.rounds.hosted_task import HostedTask
from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from backend.rounds.performer import Performer
from protocol.messages.chain import TaskPosted
from protocol.task.documents import Kind
from protocol.task.limits import CohortLimits
from storage.ledger.interface import Ledger
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from storage.task_reader import TaskReader
from tests.reference_ledger.ledger import MemoryLedger
from tests.samples import private_key
from tests.simulation.faults import (
    Faults,
    KilledError,
    MortalRecords,
    Network,
    SeededChain,
    UnreliableStore,
)

MAX_BOND = 10**6
SMALL = AuthorityPolicy(CohortLimits(2, 900_000), ChainLimits(0))


class Process:
    """A party that may be killed at any line and started again; its records outlive it. ``app``: while it is up."""

    def __init__(self, name: str) -> None:
        self.name, self.deaths = name, 0
        self.older = False  # its records are known to be an older copy, until it trusts them
        self.app: FastAPI | None = None

    def start(self) -> None:
        raise NotImplementedError

    def _trust(self) -> None:
        self.older = False

    def kill(self) -> None:
        self.deaths += 1
        self.app = None

    def restart(self) -> None:
        self.kill()
        self.start()


class Wire(httpx2.AsyncBaseTransport):
    """HTTP into a process of the simulation, over a network that loses, doubles and delays."""

    def __init__(self, process: Process, network: Network) -> None:
        self._process, self._network = process, network

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()

        async def deliver() -> httpx2.Response:
            if self._process.app is None:
                raise httpx2.ConnectError("simulated: nobody listens", request=request)
            again = httpx2.Request(request.method, request.url, headers=request.headers, content=body)
            try:
                found = await httpx2.ASGITransport(self._process.app).handle_async_request(again)
                content = await found.aread()
            except KilledError:
                self._process.kill()
                raise httpx2.ReadError("simulated: killed meanwhile", request=request) from None
            return httpx2.Response(found.status_code, headers=found.headers, content=content)

        return await self._network.send(deliver, lambda text: httpx2.ReadError(text, request=request))


class BlockingWire(httpx2.BaseTransport):
    """The same for a client that blocks."""

    def __init__(self, wire: Wire, runner: asyncio.Runner) -> None:
        self._wire, self._runner = wire, runner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        return self._runner.run(self._wire.handle_async_request(request))


class Routes(httpx2.BaseTransport):
    """By host name."""

    def __init__(self, wires: dict[str, BlockingWire]) -> None:
        self._wires = wires

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._wires[request.url.host].handle_request(request)


class AtOnce:
    """An executor that does it now: threads would make the order of faults depend on the machine."""

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments))
        except Exception as error:
            done.set_exception(error)
        return done

    def shutdown(self, **_: Any) -> None:
        """Nothing is under way."""


class Authority(Process):
    def __init__(self, j: int, chain: SeededChain, store: UnreliableStore, faults: Faults) -> None:
        super().__init__(f"authority{j}")
        self.signer, self.records = Signer(private_key("authority", j)), MemoryRecords()
        self._chain, self._store, self._faults = chain, store, faults
        self.start()

    def start(self) -> None:
        reader = self._chain.ledger_of(self.signer, self._faults)
        records = AuthorityRecords(MortalRecords(self.records, self._faults))
        windows = Windows(reader, records, self.signer, seeded(self.signer.address, self.signer.address))
        followed = FollowedTasks(reader, Polling(reader, 0.0))
        trust = self._trust if self.older else None
        # who cannot compare does not start, and tries again
        sure = MemoryLedger(self._chain, self.signer.address) if hasattr(self._chain, "blocks") else reader
        compared = FollowedTasks(sure, Polling(sure, 0.0))
        recollection = Recollection(compared, records, self.signer.address, trust)
        self.watch = WindowWatch(windows, records, followed)
        self.rosters = RosterWatch(Rosters(reader, records, followed), records, recollection.check)
        answering = KeyAuthority(reader, records, self.signer, windows, SMALL, recollection.compared, self._store)
        self.app = authority_app(answering)


class Server(Process):
    """An edge server whose driver is stepped by hand."""

    def __init__(
        self,
        name: str,
        chain: SeededChain,
        store: UnreliableStore,
        authorities: list[Authority],
        network: Network,
        faults: Faults,
        proofs: Path,
        runner: asyncio.Runner,
    ) -> None:
        super().__init__(name)
        self.signer = Signer(private_key(name))
        self._chain, self._store, self._authorities, self._network = chain, store, authorities, network
        self._faults, self._proofs, self._runner = faults, proofs, runner
        self._journal, self._inbox = MemoryRecords(), MemoryRecords()
        self.start()

    def start(self) -> None:
        ledger = self._chain.ledger_of(self.signer, self._faults)
        journal = EdgeJournal(MortalRecords(self._journal, self._faults))
        inbox = Inbox(MortalRecords(self._inbox, self._faults))
        committee = self._committee(ledger)

        def host(posted: TaskPosted) -> HostedTask:
            reader = TaskReader(self._store, posted.task, list(Kind))
            performer = Performer(ledger, self._store, journal, committee, reader, lambda _: None)
            desk = Desk(
                ledger.domain,
                self.signer,
                posted.task,
                journal,
                inbox,
                frozenset(),
                self.driver.wake,
                performer.seconds,
                self.driver.deep,
                performer.endorsing.endorsements,
            )
            return HostedTask(posted, ledger, performer, desk, BondKeeper(ledger, MAX_BOND))

        def forget(opened: Mapping[int, int]) -> None:
            for task, rounds in opened.items():
                journal.forget(task, rounds)
            self._trust()

        self.driver = Driver(ledger, inbox, host, Polling(ledger, 0.0), forget=forget if self.older else None)
        self.app = edge_app(ledger, self._store, self.driver)

    def step(self) -> None:
        """A look at the chain, and one move of every task that is due."""
        self.driver.look()
        for task in self.driver.due():
            self.driver.step(task)

    def relay(self) -> None:
        self.driver.look()
        self.driver.relay()

    def next_due(self) -> int:
        return self.driver.next_due()

    def _committee(self, ledger: Ledger) -> CommitteeClient:
        urls = tuple(f"http://{authority.name}" for authority in self._authorities)
        client = CommitteeClient(urls, ledger.domain, self._proofs)
        wires = {a.name: BlockingWire(Wire(a, self._network), self._runner) for a in self._authorities}
        client._http = httpx2.Client(transport=Routes(wires))
        client._threads = dict.fromkeys(client._threads, AtOnce())  # type: ignore[arg-type]
        return client
