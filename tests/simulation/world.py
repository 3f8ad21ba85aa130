"""One simulated task from its posting to the last claim, driven by random operations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from protocol.canonical import encode
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.messages.chain import DEFAULT_RULES, Event
from protocol.messages.task import CohortTerms, Committee, TaskSpec
from protocol.model.dataset import encode_labelled
from protocol.model.layout import Layout
from protocol.round.planning import terms_of
from protocol.task.documents import Kind
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from storage.task_reader import TaskReader
from tests.reference_ledger.ledger import MemoryLedger
from tests.samples import private_key, sample_spec
from tests.simulation.faults import Faults, KilledError, Network, SeededChain, UnreliableStore
from tests.simulation.invariants import CONFIRMATIONS, MONEY, Invariants
from tests.simulation.parties import Authority, Process, Server
from tests.simulation.phones import TASK, Phone

START: Final = 1_700_000_000
DOMAIN: Final = Domain(31337, b"\x1e" * 20)


class World:
    """``servers`` of the task's list, the first one acting at first; ``phones`` enrol when they are first stepped, the
    last ``late`` of them once a round was opened.

    ``cohort``: most phones of a round, which draws them where there are more. The first phone sends ``nonsense`` in
    these rounds. ``shape``: what else is changed of the task.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        servers: int = 2,
        phones: int = 4,
        rounds: int = 3,
        *,
        late: int = 0,
        cohort: int | None = None,
        nonsense: frozenset[int] = frozenset(),
        authorities: int = 3,
        shape: Callable[[TaskSpec], TaskSpec] = lambda spec: spec,
    ) -> None:
        self.random, self.time, self.operations = Random(seed), START, 0
        self.silent_until = 0  # no authority answers, or comes back, before
        self.faults = Faults(self.random)
        self.network, self._runner = Network(self.faults), asyncio.Runner()
        signers = [Signer(private_key(name)) for name in self._server_names(servers)]
        manufacturer = self.manufacturer = Signer(private_key("manufacturer"))
        clients = [Signer(private_key("client", number)) for number in range(phones)]
        held = {party.address: MONEY for party in (*signers, manufacturer, *clients)}
        rules = replace(DEFAULT_RULES, claim_seconds=1_000)
        self.chain, self.total = SeededChain(DOMAIN, lambda: self.time, held=held, rules=rules), sum(held.values())
        self.store = UnreliableStore(MemoryStore(), self.faults)
        self.spec = self._spec([s.address for s in signers], phones, rounds, cohort or phones, authorities, shape)
        MemoryLedger(self.chain, manufacturer.address).post_task(terms_of(self.spec), self.spec.budget())
        for _ in range(CONFIRMATIONS):
            self.chain.mine()
        self.posted = len(self.chain.blocks)
        self.manufacturers = set(self.store.objects.objects)  # what nobody withholds
        self.authorities = [Authority(j, self.chain, self.store, self.faults) for j in range(1, authorities + 1)]
        self.servers = [
            Server(name, self.chain, self.store, self.authorities, self.network, self.faults, folder, self._runner)
            for name in self._server_names(servers)
        ]
        self.phones = [
            Phone(
                number,
                self.chain,
                self.store,
                self.servers,
                self.network,
                self.faults,
                folder,
                late=number >= phones - late,
                nonsense=frozenset() if number else nonsense,
                steps=max(1, self.spec.screening.clip),
            )
            for number in range(phones)
        ]
        self.processes: list[Process] = [*self.authorities, *self.servers, *self.phones]
        self.invariants, self._seen = Invariants(self), (b"", 0)

    def _server_names(self, servers: int) -> list[str]:
        return ["edge", *(f"substitute{number}" for number in range(1, servers))]

    def _spec(
        self,
        servers: list[bytes],
        phones: int,
        rounds: int,
        cohort: int,
        authorities: int,
        shape: Callable[[TaskSpec], TaskSpec],
    ) -> TaskSpec:
        spec = sample_spec(rounds=rounds, confirmations=CONFIRMATIONS)
        layout = Layout.of(spec.model)
        members = [Signer(private_key("authority", j)).address for j in range(1, authorities + 1)]
        images = np.arange(24, dtype=np.uint8).reshape(4, 6)
        learning = replace(spec.learning, sparsity=replace(spec.learning.sparsity, density_ppm=1_000_000))
        spec = replace(
            spec,
            initial_model=self.put(layout.to_safetensors(np.zeros(layout.dimension, dtype=np.float32))),
            test_set=self.put(encode_labelled(images, np.array([0, 1, 2, 0], dtype=np.uint8))),
            edge_server=servers[0],
            edge_substitutes=tuple(servers[1:]),
            committee=Committee(2, tuple(members), 0),
            learning=learning,
            cohort=CohortTerms(2, phones, cohort, 900_000, roster_rounds=1),
            schedule=replace(spec.schedule, training_seconds=4),  # operations are few: phones are not to idle
            durations=replace(
                spec.durations,
                enrolment_seconds=400,
                takeover_seconds=100,
                task_seconds=20_000,
                claim_seconds=20_000,
            ),
        )
        spec = shape(spec)
        self.put(encode(spec))
        return spec

    def put(self, data: bytes) -> bytes:
        return self.store.objects.put(data).digest

    # operations

    def operate(self) -> None:
        """One random operation, then every invariant."""
        self.operations += 1
        choices: list[tuple[int, Callable[[], None]]] = [
            (30, self._step_server),
            (40, self._step_phone),
            (8, self._relay),
            (12, self._pass_time),
            (3, self._deliver_late),
            (3, self._restart),
            (9, self._step_authority),
            (2, self._toggle_authority),
            (2, self._withhold),
            (1, self._reorganise),
            (1, self._silence),
        ]
        weights = [weight for weight, _ in choices]
        (operation,) = self.random.choices([operation for _, operation in choices], weights)
        operation()
        self.invariants.check()

    def finish(self) -> None:
        """Nothing goes wrong any more: everything ends, and everybody gets what is theirs."""
        self.faults.calm, self.silent_until = True, 0
        self.revive()
        for phone in self.phones:
            phone.restart()  # its owner looks after it: one that gave up tries again
        for _ in range(20_000):
            for process in (*self.servers, *self.phones, *self.authorities):
                self.step(process)
            self.invariants.check()
            if self.invariants.settled():
                self.invariants.check_end()
                return
            self.jump()
        raise AssertionError("the task does not come to its end")

    def close(self) -> None:
        for phone in self.phones:
            phone.kill()
        self._runner.close()

    def events(self) -> list[Event]:
        return MemoryLedger(self.chain, bytes(20)).events(TASK)

    def reader(self) -> TaskReader:
        """All that can be read, withheld or not; made again when there is more."""
        seen = (self.chain.blocks[-1].hash, len(self.store.objects.objects))
        if seen != self._seen:
            self._seen, self._reader = seen, TaskReader(self.store.objects, TASK, list(Kind))
            self._reader.follow(self.events())
            self._reader.fetch(self.time)
        return self._reader

    def revive(self) -> None:
        """Starts every server and authority that is down."""
        for process in (*self.servers, *self.authorities):
            if process.app is None and not self._is_silent(process):
                process.start()

    def step(self, process: Process) -> None:
        """What a process does whenever it is its turn."""
        if isinstance(process, Server):
            self._alive(process, process.step)
            self._alive(process, process.relay)
        elif isinstance(process, Authority):
            self._alive(process, process.watch.erase)
            self._alive(process, process.rosters.post)
        elif isinstance(process, Phone) and process.due <= self.time and self._has_heard(process):
            self._alive(process, lambda: process.step(self.time))

    def _step_server(self) -> None:
        server = self.random.choice(self.servers)
        self._alive(server, server.step)

    def _step_authority(self) -> None:
        self.step(self.random.choice(self.authorities))

    def _relay(self) -> None:
        server = self.random.choice(self.servers)
        self._alive(server, server.relay)

    def _step_phone(self) -> None:
        self.step(self.random.choice(self.phones))

    def _pass_time(self) -> None:
        self.time += self.random.choice((1, 2, 5, 20, 40))
        self.chain.mine()

    def jump(self) -> None:
        """To the next instant at which somebody has something to do."""
        phones = [phone.due for phone in self.phones if self._has_heard(phone)]
        due = min([*(server.next_due() for server in self.servers), *phones])
        self.time = max(self.time + 1, min(due, self.time + 600))
        self.chain.mine()

    def _deliver_late(self) -> None:
        self._runner.run(self.network.deliver_late())

    def _restart(self) -> None:
        process = self.random.choice(self.processes)
        if not self._is_silent(process):
            process.restart()

    def _toggle_authority(self) -> None:
        authority = self.random.choice(self.authorities)
        if self._is_silent(authority):
            return
        if authority.app is None:
            authority.start()
        else:
            authority.kill()

    def _withhold(self) -> None:
        """Somebody's document, for ever."""
        kept = self.manufacturers | self.store.withheld
        names = [name for name in self.store.objects.objects if name not in kept]  # in the order of their making
        if names and len(self.store.withheld) < (2 if self.reader().state.rounds else 1):
            self.store.withheld.add(self.random.choice(names[-12:]))

    def _reorganise(self) -> None:
        """At most as deep as the task's confirmations allow."""
        depth = self.random.randint(1, CONFIRMATIONS - 1)
        self.chain.forget(max(self.posted, len(self.chain.blocks) - 1 - depth))

    def silence(self, seconds: int) -> None:
        """All authorities are away for so long."""
        self.silent_until = self.time + seconds
        for authority in self.authorities:
            authority.kill()

    def _silence(self) -> None:
        """Once in a world, for the rest of a round: its key is requested in vain."""
        current = self.reader().state.current
        if current is not None and not self.silent_until and self.random.randrange(2):
            self.silence(current.opened.settle_until + 1 - self.time)

    def _is_silent(self, process: Process) -> bool:
        return isinstance(process, Authority) and self.time < self.silent_until

    def _has_heard(self, phone: Phone) -> bool:
        return not phone.late or bool(self.reader().state.rounds)

    def _alive(self, process: Process, work: Callable[[], None]) -> None:
        if self._is_silent(process):
            return
        if process.app is None and not isinstance(process, Phone):
            process.start()
        try:
            work()
        except KilledError:
            process.restart()
        except HearthError:
            pass  # what a loop of the process would log, and try again
