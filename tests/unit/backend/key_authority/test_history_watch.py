"""Histories go when their clients do, and with their task; by what stands on chain as deep as the task asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from backend.key_authority.followed import FollowedTasks
from backend.key_authority.histories import Settlement
from backend.key_authority.history_watch import HistoryWatch
from backend.key_authority.records import AuthorityRecords
from protocol.canonical import encode
from protocol.identifiers import to_hex
from protocol.messages.submission import Leave, SignedLeave
from protocol.signing import sign
from scripts.cli import app
from storage.ledger.polling import Polling
from storage.records.open_records import open_records
from tests.samples import sample_spec
from tests.unit.backend.key_authority.screened_scene import Screened, Watched, screened

DIMENSION = 4


class _Scene:
    def __init__(self, played: Screened) -> None:
        self.player, self.task = played.player, played.player.task
        self.clients = [household.address for household in self.player.households]
        self.authority = Watched(played, 1)
        ledger = self.player.authorities[0]
        self.watch = HistoryWatch(self.authority.records, FollowedTasks(ledger, Polling(ledger, 0.0)))
        settle(self.authority.records, self.task, self.clients)

    def held(self) -> set[bytes]:
        """After a look."""
        self.watch.erase()
        return set(self.authority.records.histories.held(self.task))

    def leave(self, client: int) -> None:
        leave = Leave(self.task, self.clients[client])
        self.player.edge.leave(
            SignedLeave(leave, sign(self.player.domain, leave, self.player.households[client].private_key))
        )


def settle(records: AuthorityRecords, task: int, clients: list[bytes]) -> None:
    words = {client: np.arange(DIMENSION, dtype=np.uint64) for client in clients}
    records.histories.settle(task, Settlement(1, 0, None, dict.fromkeys(clients, 0), words, None, DIMENSION))


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> _Scene:
    return _Scene(screened(request.node.name, rounds=2))


def test_who_left_is_erased_once_that_is_deep_enough(scene: _Scene) -> None:
    assert scene.held() == set(scene.clients)
    scene.leave(0)
    assert scene.held() == set(scene.clients), "it may still be taken back"
    scene.player.chain.mine()
    assert scene.held() == set(scene.clients[1:])


def test_everything_is_erased_when_no_round_comes_any_more(scene: _Scene) -> None:
    assert scene.held() == set(scene.clients)
    scene.player.chain.pass_time(scene.player.spec.durations.task_seconds)
    assert scene.held() == set(scene.clients)
    scene.player.chain.pass_time(1)
    assert scene.held() == set()


def test_an_operator_erases_a_history_on_request(tmp_path: Path) -> None:
    account, clients = b"\1" * 20, [b"\2" * 20, b"\3" * 20]
    with open_records(tmp_path, None, account) as opened:
        records = AuthorityRecords(opened("journal"))
        records.keep_task(7, encode(sample_spec()))
        settle(records, 7, clients)
    words = ["authority", "forget-history", "--folder", str(tmp_path), "--account", to_hex(account), "--task", "7"]
    for said in ("is erased", "was not held"):
        result = CliRunner().invoke(app, [*words, "--client", to_hex(clients[0])], catch_exceptions=False)
        assert (result.exit_code, said in result.output) == (0, True), result.output
    with open_records(tmp_path, None, account) as opened:
        assert AuthorityRecords(opened("journal")).histories.held(7) == {clients[1]}
