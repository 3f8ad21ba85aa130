"""A whole task over endpoints as they are: the chain's limits, lags and breaks off, the store fails, and nobody loses
money, budget or a round by it.

The parties are those of the simulation, each with its own connection to one bad JSON-RPC endpoint in front of the EVM.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from protocol.domain import Domain
from protocol.messages.chain import DEFAULT_RULES, BondForfeited, Claimed, Compensated, DirectCommitted, RoundPublished
from protocol.messages.task import TaskSpec
from protocol.round.planning import terms_of
from protocol.task.acting import NEVER
from protocol.task.fold import fold
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.ethereum.ledger import EthereumLedger, EthereumReader, deploy
from storage.ledger.ethereum.pace import Pace
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer
from storage.patience import Patience
from tests.ports.unfriendly_rpc import Private, UnfriendlyRpc, here, unfriendly
from tests.ports.unsteady_store import UnsteadyStore
from tests.samples import private_key
from tests.simulation.faults import Faults, Network
from tests.simulation.parties import Authority, Server
from tests.simulation.phones import TASK, Phone
from tests.simulation.world import START, World

PHONES, ROUNDS = 3, 2
MONEY = 10**18


class PublicWorld(World):
    """``rpc`` is what all parties reach the chain through, ``store`` what they share."""

    def __init__(self, seed: int, folder: Path, open_here: ExitStack) -> None:
        self.random, self.time, self.waited, self.silent_until = Random(seed), START, 0.0, 0
        self.faults = Faults(self.random, calm=True)
        self.network, self._runner = Network(self.faults), asyncio.Runner()
        self.memory = MemoryStore()
        self.store = UnsteadyStore(self.memory, seed)  # type: ignore[assignment]
        self.rpc = UnfriendlyRpc(here(lambda: self.time), seed)
        self.url = open_here.enter_context(unfriendly(self.rpc))
        faucet, chain_id = Signer(FUNDED_KEY), int(self.rpc.ask("eth_chainId"), 16)
        ledger, created = deploy(self.url, chain_id, faucet, rules=replace(DEFAULT_RULES, claim_seconds=1_000))
        self.domain = Domain(chain_id, ledger, created.block)
        self.reader = EthereumReader(Private(self.rpc), ledger)  # type: ignore[assignment]
        self.manufacturer, edge = Signer(private_key("manufacturer")), Signer(private_key("edge"))
        clients = [Signer(private_key("client", number)) for number in range(PHONES)]
        members = [Signer(private_key("authority", j)) for j in (1, 2, 3)]
        bank = self.ledger_of(faucet, self.faults)
        for party in (self.manufacturer, edge, *members, *clients):
            bank.transfer(party.address, MONEY)
        self.spec: TaskSpec = self._spec([edge.address], PHONES, ROUNDS, PHONES, 3, lambda spec: spec)
        self.ledger_of(self.manufacturer, self.faults).post_task(terms_of(self.spec), self.spec.budget())
        self.mine(5)
        reached = (self, self.store)
        self.authorities = [Authority(j, self, self.store, self.faults) for j in (1, 2, 3)]  # type: ignore[arg-type]
        about = (self.authorities, self.network, self.faults, folder, self._runner)
        self.servers = [Server("edge", *reached, *about)]  # type: ignore[arg-type]
        others = (self.servers, self.network, self.faults, folder)
        self.phones = [Phone(number, *reached, *others) for number in range(PHONES)]  # type: ignore[arg-type]

    def ledger_of(self, signer: Signer, _: Faults) -> EthereumLedger:
        clock = BlockClock(lambda: self.time, lambda: self.time)
        pace = Pace(monotonic=lambda: self.waited, sleep=self._wait)
        patience = Patience(monotonic=lambda: self.waited, sleep=self._pass, drawn=self.random.random)
        return EthereumLedger(self.url, self.domain, signer, clock=clock, pace=pace, patience=patience)

    def put(self, data: bytes) -> bytes:
        return self.memory.put(data).digest

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.rpc.ask("evm_mine")

    def _pass(self, seconds: float) -> None:
        self.waited += seconds

    def _wait(self, seconds: float) -> None:
        """For a transaction: others make blocks meanwhile."""
        self.waited += seconds
        self.mine()

    def _has_heard(self, phone: Phone) -> bool:
        return True

    def jump(self) -> None:
        due = min([*(server.next_due() for server in self.servers), *(phone.due for phone in self.phones)])
        self.time = max(self.time + 1, min(due, self.time + 60))
        self.mine()

    def is_done(self) -> bool:
        task = self.reader.task(TASK)  # type: ignore[attr-defined]
        return all(phone.due == NEVER and phone.done for phone in self.phones) and task.deposits == 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PublicWorld]:
    with ExitStack() as open_here:
        made = PublicWorld(1, tmp_path, open_here)
        yield made
        made.close()


def test_a_whole_task_at_five_percent_bad_answers(world: PublicWorld) -> None:
    for _ in range(3_000):
        for process in (*world.servers, *world.phones, *world.authorities):
            world.step(process)
        if world.is_done():
            break
        world.jump()
    assert world.is_done(), "it comes to its end"
    events = world.reader.events(TASK)  # type: ignore[attr-defined]
    state, clients = fold(TASK, events), {phone.signer.address for phone in world.phones}
    assert [event.round for event in events if isinstance(event, RoundPublished)] == [1, 2], "no round is lost"
    assert not [event for event in events if isinstance(event, BondForfeited | Compensated | DirectCommitted)]
    update = world.spec.rewards.participation
    paid = {
        event.client: event.cumulative for event in events if isinstance(event, Claimed) and event.client in clients
    }
    assert paid.keys() == clients and all(amount >= ROUNDS * update for amount in paid.values())
    for phone in world.phones:
        journal = phone.agent.journal
        assert journal.sealed.keys() == {1, 2}, "and every update that its budget paid for was paid"
        assert world.rpc.ask("eth_getTransactionCount", "0x" + phone.signer.address.hex(), "latest") == "0x0"
        assert state.claims[phone.signer.address].freed
    kinds = set(world.rpc.told)
    assert len(kinds) >= 10 and "lag" in kinds and "swallowed" in kinds and "limit" in kinds
    assert sum(world.store.mischief.done.values()) > 0  # type: ignore[attr-defined]
