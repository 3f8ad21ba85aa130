"""Transactions that wait, fall out or are overtaken, and events that vanish, on every chain that can run here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from protocol.identifiers import Address
from protocol.messages.chain import Event
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.ethereum.pace import Pace
from storage.ledger.follower import LAG_BLOCKS, EventFollower
from storage.ledger.signer import Signer
from tests.ports.chains import KINDS, RunningChain, running_chain
from tests.ports.ledger_scene import Scene
from tests.samples import private_key

TO = Signer(private_key("payee")).address


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(running_chain(request.param))
    yield scene
    scene.close()


@pytest.fixture(params=["anvil", "ganache"])
def holding(request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(running_chain(request.param))
    yield scene
    scene.close()


class _Waits:
    """A clock that a wait moves, and what happens during each wait; after the last step, blocks."""

    def __init__(self, chain: RunningChain, *steps: Callable[[], object], seconds: float = 1.0) -> None:
        self._chain, self._steps, self._seconds = chain, iter(steps), seconds
        self.time, self.count = 0.0, 0

    def sleep(self, _: float) -> None:
        self.time += self._seconds
        self.count += 1
        next(self._steps, lambda: self._chain.ask("evm_mine"))()

    def pace(self) -> Pace:
        return Pace(receipt_seconds=1_000.0, stuck_seconds=30.0, monotonic=lambda: self.time, sleep=self.sleep)


def _nothing() -> None:
    """The chain stands still."""


def _nonce(scene: Scene, address: Address) -> int:
    return int(scene.chain.ask("eth_getTransactionCount", "0x" + address.hex(), "latest"), 16)


def _edge(scene: Scene, waits: _Waits) -> EthereumLedger:
    return scene.chain.ledger(scene.address, scene.edge_signer, pace=waits.pace())


def test_a_call_returns_when_its_transaction_is_deep_enough(scene: Scene) -> None:
    waits = _Waits(scene.chain)
    edge = _edge(scene, waits)
    receipt = edge.confirmed(3).transfer(TO, 1)
    assert edge.block_number() == receipt.block + 3
    assert waits.count in (3, 4), "one more when anvil answers before it has mined"
    shallow = edge.transfer(TO, 1)
    assert edge.block_number() - shallow.block <= 1
    edge.close()


def test_a_transaction_that_fell_out_is_sent_again_and_counts_once(scene: Scene) -> None:
    before, nonce = scene.edge.balance(TO), _nonce(scene, scene.edge.sender)
    snapshot = scene.chain.ask("evm_snapshot")

    def mined() -> None:
        """Seen at the next look, whatever the first one saw: anvil answers before it has mined."""
        for _ in range(10_000):
            if _nonce(scene, scene.edge.sender) > nonce:
                return

    waits = _Waits(scene.chain, mined, lambda: scene.chain.ask("evm_revert", snapshot))
    edge = _edge(scene, waits)
    receipt = edge.confirmed(2).transfer(TO, 77)
    assert edge.balance(TO) - before == 77
    assert _nonce(scene, edge.sender) == nonce + 1
    assert edge.gas_used(receipt.transaction) == 21_000
    assert edge.block_number() == receipt.block + 2
    assert waits.count <= 5, "sent again at once"
    edge.close()


def test_a_transaction_whose_nonce_was_taken_in_a_reorganisation_is_sent_anew(scene: Scene) -> None:
    before, nonce = scene.edge.balance(TO), _nonce(scene, scene.edge.sender)
    snapshot = scene.chain.ask("evm_snapshot")

    def overtake() -> None:
        scene.chain.ask("evm_revert", snapshot)
        scene.edge.transfer(TO, 1_000)  # another process with the same key

    edge = _edge(scene, _Waits(scene.chain, overtake))
    edge.confirmed(1).transfer(TO, 77)
    assert edge.balance(TO) - before == 1_077
    assert _nonce(scene, edge.sender) == nonce + 2
    edge.close()


def test_two_processes_of_one_account_at_once(scene: Scene) -> None:
    """Two senders share nothing but the key; each sends with two threads."""
    before = scene.edge.balance(TO)
    again = scene.chain.ledger(scene.address, scene.edge_signer)
    senders = [scene.edge, again] * 6
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda sender: sender.transfer(TO, 1), senders))
    assert len({receipt.transaction for receipt in receipts}) == len(senders)
    assert scene.edge.balance(TO) - before == len(senders)
    again.close()


def test_a_stuck_transaction_is_replaced_by_a_dearer_one(holding: Scene) -> None:
    before, nonce = holding.edge.balance(TO), _nonce(holding, holding.edge.sender)
    waits = _Waits(holding.chain, *[_nothing] * 8, seconds=10.0)
    edge = _edge(holding, waits)
    base = int(holding.chain.ask("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    tip = int(holding.chain.ask("eth_maxPriorityFeePerGas"), 16)
    with holding.chain.mining_held():
        receipt = edge.transfer(TO, 5)
    mined = holding.chain.ask("eth_getTransactionByHash", "0x" + receipt.transaction.hex())
    assert int(mined["nonce"], 16) == nonce
    assert int(mined["maxFeePerGas"], 16) * 10 >= (2 * base + tip) * 15, "two replacements in 80 seconds"
    assert int(mined["maxPriorityFeePerGas"], 16) * 10 >= tip * 15
    assert edge.balance(TO) - before == 5
    edge.close()


def test_what_an_earlier_life_left_behind_is_cleared_away() -> None:
    """On anvil: ganache neither counts nor replaces what waits before its stopped miner as other nodes do."""
    scene = Scene(running_chain("anvil"))
    nonce, before = _nonce(scene, scene.edge.sender), scene.edge.balance(TO)
    price = 2 * int(scene.chain.ask("eth_gasPrice"), 16)
    left = {"to": "0x" + b"\x96".hex() * 20, "value": 9, "data": b"", "gas": 21_000, "gasPrice": price, "nonce": nonce}
    raw = scene.edge_signer.sign_transaction({**left, "chainId": scene.edge.domain.chain_id})
    edge = _edge(scene, _Waits(scene.chain, *[_nothing] * 4, seconds=10.0))
    with scene.chain.mining_held():
        scene.chain.ask("eth_sendRawTransaction", "0x" + raw.hex())
        receipt = edge.transfer(TO, 5)
    assert edge.balance(b"\x96" * 20) == 0
    assert edge.balance(TO) - before == 5
    mined = scene.chain.ask("eth_getTransactionByHash", "0x" + receipt.transaction.hex())
    assert int(mined["nonce"], 16) == nonce + 1
    edge.close()
    scene.close()


def test_two_processes_do_not_lose_each_other_while_blocks_are_slow(holding: Scene) -> None:
    """Both transactions are before the node when the first block comes."""
    before = holding.edge.balance(TO)
    one, other = (_edge(holding, _Waits(holding.chain, *[_nothing] * 2)) for _ in range(2))
    with holding.chain.mining_held(), ThreadPoolExecutor(2) as pool:
        receipts = list(pool.map(lambda sender: sender.transfer(TO, 1), (one, other)))
    assert len({receipt.transaction for receipt in receipts}) == 2
    assert holding.edge.balance(TO) - before == 2
    one.close()
    other.close()


def test_a_chain_without_base_fee() -> None:
    chain = running_chain("legacy")
    assert "baseFeePerGas" not in chain.ask("eth_getBlockByNumber", "latest", False)
    bank = chain.ledger(b"\x95" * 20, chain.faucet)
    receipt = bank.transfer(TO, 12)
    assert int(chain.ask("eth_getTransactionByHash", "0x" + receipt.transaction.hex())["type"], 16) == 0
    assert bank.balance(TO) == 12
    bank.close()


def test_a_follower_asks_for_new_blocks_only(scene: Scene) -> None:
    scene.post()
    asked: list[int] = []

    class _Counted(EthereumLedger):
        def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
            asked.append(from_block)
            return super().events(task, from_block, client)

    reader = _Counted(scene.chain.rpc_url, scene.edge.domain, scene.edge_signer)
    follower = EventFollower(reader, 1, Event)
    follower.refresh()
    follower.refresh()
    head = reader.block_number()
    scene.enrol_all()
    assert follower.refresh() == 1
    assert asked == [0, max(0, head + 1 - LAG_BLOCKS)]
    reader.close()
