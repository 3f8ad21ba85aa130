"""A server's bonds: within its operator's limit, placed once, back at the end, and nothing remembered in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from backend.bonds import BondKeeper
from protocol.identifiers import NATIVE_COIN, Address, to_hex
from storage.ledger.deposits import FundsError
from storage.ledger.signer import Signer
from tests.ports.chain_token import ChainToken, sent_by
from tests.ports.chains import running_chain
from tests.ports.ledger_scene import Scene
from tests.samples import private_key

BOND = 700


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(running_chain("memory"))
    made.terms = replace(made.terms, edge_bond=BOND, rounds=1, dispute_seconds=50)
    yield made
    made.close()


def place(scene: Scene, limit: int, task: int = 1, token: Address = NATIVE_COIN) -> bool:
    """As a server that has just been started."""
    return BondKeeper(scene.edge, limit).place(task, token, BOND, range(1, scene.edge.task_count() + 1))


def held(scene: Scene, task: int = 1) -> int:
    return scene.edge.bond(task, scene.edge.sender).amount


def test_a_bond_within_the_limit_is_placed_once(scene: Scene) -> None:
    scene.post()
    before = sent_by(scene.edge)
    assert place(scene, BOND)
    assert place(scene, BOND)
    assert held(scene) == BOND
    assert sent_by(scene.edge) == before + 1


def test_without_a_limit_nothing_is_placed_and_the_operator_is_told_once_how(scene: Scene) -> None:
    scene.post()
    keeper = BondKeeper(scene.edge, 0)
    with capture_logs() as logs:
        assert [keeper.place(1, NATIVE_COIN, BOND, [1]) for _ in range(3)] == [False] * 3
    holder = scene.edge.sender
    assert [entry["command"] for entry in logs] == [f"hearth bond place --task 1 --holder {to_hex(holder)}"]
    assert held(scene) == 0
    scene.manufacturer.place_bond(1, holder, BOND)
    assert keeper.place(1, NATIVE_COIN, BOND, [1])


def test_the_limit_counts_all_bonds_together(scene: Scene) -> None:
    for _ in range(3):
        scene.post()
    assert [place(scene, 3 * BOND - 1, task) for task in (1, 2, 3)] == [True, True, False]
    assert [held(scene, task) for task in (1, 2, 3)] == [BOND, BOND, 0]


def test_a_bond_in_a_token_is_the_operators(scene: Scene) -> None:
    token = ChainToken(scene.chain, scene.address)
    scene.terms = replace(scene.terms, token=token.address)
    token.mint(scene.manufacturer.sender, scene.escrow)
    scene.manufacturer.approve(token.address, scene.escrow)
    scene.manufacturer.post_task(scene.terms, 0)
    token.mint(scene.edge.sender, BOND)
    assert not place(scene, 10 * BOND, token=token.address)
    assert scene.edge.allowance(token.address, scene.edge.sender) == held(scene) == 0
    token.close()


def test_a_server_without_money_says_so(scene: Scene) -> None:
    scene.terms = replace(scene.terms, edge_servers=(Signer(private_key("poor")).address,))
    scene.post()
    poor = scene.chain.ledger(scene.address, Signer(private_key("poor")))
    with pytest.raises(FundsError):
        BondKeeper(poor, BOND).place(1, NATIVE_COIN, BOND, [1])
    poor.close()


def test_a_bond_comes_back_once_the_last_payout_cannot_be_disputed(scene: Scene) -> None:
    scene.post()
    scene.enrol_all()
    assert place(scene, BOND)
    scene.chain.pass_time(scene.terms.enrolment_seconds + scene.terms.roster_seconds + 1)
    scene.edge.open_round(1, 1, b"\x11" * 32, b"\x12" * 32, scene.cohort_root, 3)
    scene.chain.pass_time(2 * scene.terms.training_seconds)
    scene.edge.commit_batch(1, 1, b"\x21" * 32, b"\x22" * 32, 3)
    before = sent_by(scene.edge)
    assert not BondKeeper(scene.edge, 0).take_back(1)
    scene.chain.pass_time(scene.terms.objection_seconds + 1)
    scene.edge.request_key(1, 1, b"\x13" * 32)
    scene.edge.publish_round(1, 1, scene.publication())
    assert not BondKeeper(scene.edge, 0).take_back(1)
    scene.chain.pass_time(scene.terms.dispute_seconds)
    for _ in range(2):
        assert BondKeeper(scene.edge, 0).take_back(1)
    assert held(scene) == 0
    assert sent_by(scene.edge) == before + 3


@pytest.mark.parametrize("enrolled", [True, False])
def test_a_task_that_is_over_gets_no_bond_and_keeps_none(scene: Scene, enrolled: bool) -> None:
    scene.post()
    scene.post()
    if enrolled:
        scene.enrol_all()
    assert place(scene, 2 * BOND)
    passed = scene.terms.task_seconds if enrolled else scene.terms.enrolment_seconds
    scene.chain.pass_time(passed + 1)
    assert place(scene, 2 * BOND, task=2)
    assert held(scene, 2) == 0
    keeper = BondKeeper(scene.edge, 0)
    assert [keeper.take_back(task) for task in (1, 2)] == [True, True]
    assert held(scene) == 0
