"""The bonds of a key authority follow from the tasks that it was shown, in every life of its process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.key_authority.bonds import BondWatch
from backend.key_authority.records import AuthorityRecords
from protocol.canonical import encode
from protocol.messages.task import DepositTerms, TaskSpec
from protocol.round.planning import terms_of
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from tests.ports.chains import RunningChain, running_chain
from tests.samples import private_key, sample_spec

BOND = 70


class Scene:
    def __init__(self, folder: Path) -> None:
        self.chain: RunningChain = running_chain("memory")
        address, self.records = self.chain.deploy(), AuthorityRecords(Journal(folder / "journal"))
        accounts = [Signer(private_key(*account)) for account in (("authority", 1), ("manufacturer", 0))]
        for account in accounts:
            self.chain.fund(address, account.address)
        self.ledger, self.poster = (self.chain.ledger(address, account) for account in accounts)

    def post(self, bond: int = BOND, confirmations: int = 0) -> TaskSpec:
        spec = sample_spec(deposits=DepositTerms(edge_server=5_000, authority=bond), confirmations=confirmations)
        self.poster.post_task(terms_of(spec), spec.budget())
        return spec

    def watch(self, limit: int = BOND) -> BondWatch:
        """Of a new process."""
        return BondWatch(self.ledger, self.records, limit)

    def held(self, ledger: EthereumLedger, task: int) -> int:
        return ledger.bond(task, self.ledger.sender).amount


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.ledger.close()
    made.poster.close()
    made.records.close()


def test_the_bond_of_a_task_that_was_shown_is_placed_and_comes_back(scene: Scene) -> None:
    spec = scene.post()
    scene.watch().place_and_take_back()
    assert scene.held(scene.poster, 1) == 0, "nobody has shown the task"
    scene.records.keep_task(1, encode(spec))
    for _ in range(2):
        scene.watch().place_and_take_back()
    assert scene.held(scene.poster, 1) == BOND
    scene.chain.pass_time(spec.durations.task_seconds + 1)
    watch = scene.watch()
    for _ in range(2):
        watch.place_and_take_back()
    assert scene.held(scene.poster, 1) == 0


def test_a_task_waits_for_its_confirmations(scene: Scene) -> None:
    scene.records.keep_task(1, encode(scene.post(confirmations=2)))
    watch = scene.watch()
    for expected in (0, 0, BOND):
        watch.place_and_take_back()
        assert scene.held(scene.poster, 1) == expected
        scene.chain.ask("evm_mine")


def test_one_task_that_fails_keeps_no_other_from_its_bond(scene: Scene) -> None:
    scene.records.keep_task(1, encode(replace(scene.post(10**21), title="dearer than all it has")))
    scene.records.keep_task(2, encode(scene.post()))
    scene.watch(10**22).place_and_take_back()
    assert [scene.held(scene.poster, task) for task in (1, 2)] == [0, BOND]
