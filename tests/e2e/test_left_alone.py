"""The edge server is gone for good and has no substitute: its round ends, and everybody has what is theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_agent.compensation import EXPIRY_SECONDS
from protocol.identifiers import to_hex
from protocol.messages.chain import BondForfeited, Compensated, Refunded, RoundExpired, TaskPosted
from protocol.round.state_table import RoundState
from scripts.demonstration.presets import DEMO_REWARDS
from scripts.demonstration.run import GRANT_WEI
from scripts.demonstration.stage import client_name
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.interface import TransactionRevertedError
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer
from tests.e2e.play import CHARGED_FIRST_ROUND, killed_launcher, play

HELD = 2  # the client that stops in the middle of the round


def test_an_edge_server_that_never_comes_back_holds_no_money(tmp_path: Path) -> None:
    with play(tmp_path / "play", rounds=1) as task:
        task.prepare()
        task.kill_after(HELD, CHARGED_FIRST_ROUND)
        task.start_agents()
        task.await_death(task.agents[HELD])
        task.role("edge").kill()
        opened = task.opened(1)
        ledger = task.ledger_of(client_name(0))
        with pytest.raises(TransactionRevertedError, match="TooEarly"):
            ledger.expire_round(1, 1)
        task.advance_clock(opened.settle_until - task.reader.now() + 1)
        ledger.expire_round(1, 1)
        assert [event.round for event in task.events(RoundExpired)] == [1]
        assert task.reader.round(1, 1).state is RoundState.EXPIRED
        assert not task.events(BondForfeited), "nobody had committed"
        task.stage.run("refund", "manufacturer", "task", "refund", "--task", "1")
        (posted,) = task.events(TaskPosted)
        assert sum(event.amount for event in task.events(Refunded)) == posted.escrow
        edge = to_hex(task.stage.addresses["edge"])
        task.stage.run("bond", "manufacturer", "bond", "return", "--task", "1", "--holder", edge)
        assert task.reader.balance(task.stage.domain.ledger) == 0
        assert task.audit()["verdict"] == "PASS"


def test_a_round_that_its_server_leaves_alone_costs_its_bond_and_pays_its_phones(tmp_path: Path) -> None:
    """They end the round and fetch what they are owed themselves: no server of the task is left."""
    with play(tmp_path / "play") as task:
        task.stage.launchers["edge"] = killed_launcher("instead", "VerdictKept")  # a batch, and no key requested
        task.prepare()
        bank = EthereumLedger(task.stage.rpc_url, task.stage.domain, Signer(FUNDED_KEY))
        for number in range(1, task.clients):
            bank.transfer(task.address(number), GRANT_WEI)
        bank.close()
        task.start_agents()
        task.await_death(task.role("edge"))
        task.advance_clock(task.opened(1).settle_until + EXPIRY_SECONDS + 1 - task.reader.now())
        task.finish(meanwhile=lambda: task.advance_clock(0))  # blocks go on, as nobody's own clock is that late
        assert [event.round for event in task.events(RoundExpired)] == [1]
        clients = {task.address(number) for number in range(task.clients)}
        assert {(event.client, event.amount) for event in task.events(Compensated)} == {
            (client, DEMO_REWARDS.participation) for client in clients
        }
        (lost,) = task.events(BondForfeited)
        assert (lost.holder, lost.amount, lost.share) == (
            task.stage.addresses["edge"], task.clients * DEMO_REWARDS.participation, 0,
        )  # fmt: skip
        assert task.reader.task(1).stopped
        task.stage.run("refund", "manufacturer", "task", "refund", "--task", "1")
        (posted,) = task.events(TaskPosted)
        assert sum(event.amount for event in task.events(Refunded)) == posted.escrow, "its server paid for it"
        assert task.reader.balance(task.stage.domain.ledger) == 0
        assert task.audit()["verdict"] == "PASS"
