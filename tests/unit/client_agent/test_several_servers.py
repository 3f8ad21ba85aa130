"""What a phone makes of edge servers that are dead, late or wrong: it loses no round and believes the chain alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from client_agent.agent import Agent
from client_agent.chain_view import ChainView
from client_agent.delivery import Delivery
from client_agent.edge_client import EdgeUnavailableError, NextRound, TaskEnded
from protocol.messages.chain import RoundExpired
from protocol.messages.round import RoundStatement, SignedRoundStatement
from storage.content.memory import MemoryStore
from tests.samples import sample_spec

EXPIRED = RoundExpired(block=2, log_index=0, transaction=bytes(32), task=1, round=1)


class Servers:
    """Stands for all edge servers: ``answers`` in order, and what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.turns, self.waits = list(answers), 0, list[int]()

    def turn(self) -> None:
        self.turns += 1

    def next_round(self, *_: int) -> Any:
        return self.answers.pop(0)

    def submit(self, *_: Any) -> None:
        if self.answers.pop(0) is None:
            raise EdgeUnavailableError("nobody is in charge")

    def inclusion_proof(self, _: int, __: int, ___: bytes, wait: int) -> None:
        self.waits.append(wait)


def test_an_end_counts_once_the_chain_knows_it() -> None:
    """One server says so too early, the next announces the round."""
    said = SignedRoundStatement(RoundStatement(1, 2, bytes(32), bytes(32)), bytes(65))
    announced = NextRound(2, bytes(32), said)
    servers, slept = Servers(TaskEnded(), announced, TaskEnded()), list[float]()
    view = SimpleNamespace(task_until=1_000)
    agent: Any = SimpleNamespace(
        task=1,
        edge=servers,
        poll_seconds=0,
        ledger=SimpleNamespace(now=lambda: 10, task=lambda _: view),
        chain=SimpleNamespace(ended=lambda: len(servers.answers) == 0),
        sleep=slept.append,
    )
    assert Agent.await_round(cast(Agent, agent), 1) == announced
    assert (servers.turns, len(slept)) == (1, 1)
    assert Agent.await_round(cast(Agent, agent), 2) == TaskEnded()


@pytest.mark.parametrize(
    ("last_round", "now", "settled", "ended"),
    [
        (1, 10, True, True),
        (1, 10, False, False),  # the last round still runs
        (0, 10, False, False),
        (0, 1_001, False, True),  # none was ever opened, and none can be
    ],
)
def test_when_the_chain_knows_an_end(last_round: int, now: int, settled: bool, ended: bool) -> None:
    ledger = SimpleNamespace(
        now=lambda: now,
        events=lambda *_: [EXPIRED] if settled else [],
        task=lambda _: SimpleNamespace(rounds=1, last_round=last_round, task_until=1_000),
        head=lambda: (3, bytes(32)),
        block_hash=lambda _: bytes(32),
    )
    chain = ChainView(cast(Any, ledger), MemoryStore(), 1, bytes(20))
    assert chain.ended() is ended


def test_a_phone_that_finds_nobody_in_charge_commits_directly_in_time() -> None:
    """The first server died with the submission; the standby has no inclusion proof and is not waited for too long."""
    clock, sent = iter([60, 60, 70, 88, 90]), list[Any]()
    servers = Servers(None, "taken")
    ledger = SimpleNamespace(
        now=lambda: next(clock), has_committed_directly=lambda *_: False, commit_direct=sent.append
    )
    store = MemoryStore()
    body = b"ciphertext"
    digest = store.put(body, 32_768).digest
    commitment = SimpleNamespace(task=1, round=1, client=bytes(20), nonce=bytes(16), ciphertext=digest)
    sealed = SimpleNamespace(commitment=SimpleNamespace(commitment=commitment, signature=bytes(65)))
    delivery = Delivery(
        ledger=cast(Any, ledger),
        store=store,
        edge=cast(Any, servers),
        journal=cast(Any, SimpleNamespace(body=lambda _: body)),
        watch=cast(Any, SimpleNamespace(keep_receipt=lambda *_: None)),
        tell=lambda _: None,
        poll_seconds=20,
        direct_margin_seconds=10,
        sleep=lambda _: None,
    )
    delivery.deliver(sample_spec(), cast(Any, sealed), commit_until=100)
    assert servers.waits == [20, 20, 2], "never beyond the instant from which it commits by itself"
    assert sent == [sealed.commitment]
