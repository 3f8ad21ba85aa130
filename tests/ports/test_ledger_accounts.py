"""Accounts on every chain that can run here: money, nonces, and several senders at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.ledger.interface import LedgerError
from storage.ledger.signer import Signer
from tests.ports.chains import KINDS, running_chain
from tests.ports.ledger_scene import Scene
from tests.samples import private_key


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(running_chain(request.param))
    yield scene
    scene.close()


def test_an_account_without_money_is_an_error_of_the_ledger(scene: Scene) -> None:
    scene.open_first_round()
    stranger = scene.chain.ledger(scene.address, Signer(private_key("stranger")))
    with pytest.raises(LedgerError):
        stranger.commit_direct(scene.commitment(scene.clients[0]), scene.place(scene.clients[0]))
    stranger.close()


def test_money_is_never_sent_to_an_address_without_the_ledger(scene: Scene) -> None:
    elsewhere = scene.chain.ledger(b"\x98" * 20, scene.manufacturer_signer)
    with pytest.raises(LedgerError):
        elsewhere.post_task(scene.terms, scene.escrow)
    assert scene.edge.balance(b"\x98" * 20) == 0
    elsewhere.close()


def test_transfer(scene: Scene) -> None:
    to = Signer(private_key("household")).address
    before = scene.edge.balance(to)
    receipt = scene.edge.transfer(to, 12_345)
    assert scene.edge.balance(to) - before == 12_345
    assert (receipt.gas_used, receipt.logs) == (21_000, ())


def test_threads_of_one_account_get_distinct_nonces(scene: Scene) -> None:
    to = Signer(private_key("crowd")).address
    before = scene.edge.balance(to)
    with ThreadPoolExecutor(6) as pool:
        receipts = list(pool.map(lambda amount: scene.edge.transfer(to, amount), range(1, 13)))
    assert len({receipt.transaction for receipt in receipts}) == 12
    assert scene.edge.balance(to) - before == sum(range(1, 13))


def test_two_processes_of_one_account_do_not_collide(scene: Scene) -> None:
    """A restarted role, or a second one with the same key: the node's count wins over what is in memory."""
    again = scene.chain.ledger(scene.address, scene.edge_signer)
    scene.edge.transfer(b"\x97" * 20, 1)
    again.transfer(b"\x97" * 20, 1)
    again.transfer(b"\x97" * 20, 1)
    scene.edge.transfer(b"\x97" * 20, 1)
    again.transfer(b"\x97" * 20, 1)
    again.close()
