"""Views from proofs of a block's state, on every kind of node.

given a ledger in the middle of a round, and blocks after it
    when it is read by proofs as of that block
        should show what its views showed then, though the chain has gone on
        should name the views whose place in storage is not known
    when a proof is another one's, or changed in any way
        should refuse it
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from protocol.identifiers import to_hex
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.header import Header
from storage.ledger.ethereum.merkle_patricia import FalseProofError
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.proven_reader import IN_CODE, ProvenReader
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import JsonRpcProvider, NodeProvider
from storage.ledger.ethereum.storage_layout import VIEWS
from storage.ledger.interface import LedgerError, LedgerReader, TransactionRevertedError
from storage.ledger.signer import Signer
from tests.ports.chains import KINDS, running_chain
from tests.ports.ledger_scene import Scene
from tests.samples import private_key


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene, named = Scene(running_chain(request.param)), Signer(private_key("signer"))
    scene.post()
    scene.edge.enrol([scene.enrolment(scene.clients[2], signer=named)])
    scene.edge.enrol([scene.enrolment(client) for client in scene.clients[:2]])
    scene.open_posted_round()
    scene.edge.commit_direct(scene.commitment(scene.clients[2], signer=named), scene.place(scene.clients[2]))
    yield scene
    scene.close()


def header_of(provider: NodeProvider) -> Header:
    last = Node(provider).block("latest")
    header = Node(provider).header(last.hash) if last else None
    assert header is not None
    return header


def everything(reader: LedgerReader, scene: Scene) -> list[object]:
    holders = [scene.edge.sender, *scene.terms.authorities]
    clients = [client.address for client in scene.clients]
    seen: list[object] = [reader.task_count(), reader.task(1), reader.rules(), reader.code(), reader.events()]
    seen += [reader.balance(scene.address), reader.block_number()]
    seen += [reader.round(1, number) for number in range(3)]
    seen += [view(client) for client in clients for view in (lambda c: reader.enrolment(1, c), reader.standing)]
    seen += [
        view(1, 1, client) for client in clients for view in (reader.has_committed_directly, reader.is_compensated)
    ]
    seen += [reader.signer(1, client) for client in clients]
    return seen + [reader.bond(1, holder) for holder in (*holders, *clients)]


def test_it_shows_what_the_views_showed(scene: Scene) -> None:
    provider = JsonRpcProvider(scene.chain.rpc_url)
    told = everything(EthereumReader(provider, scene.address), scene)
    header = header_of(provider)
    scene.chain.pass_time(scene.terms.commit_seconds + scene.terms.settle_seconds + 1)
    scene.edge.expire_round(1, 1)
    proven = ProvenReader(provider, scene.address, header)
    assert everything(proven, scene) == told
    assert proven.round(1, 1) != EthereumReader(provider, scene.address).round(1, 1)
    for unknown in (0, 2):
        with pytest.raises(TransactionRevertedError, match="TaskUnknown"):
            proven.task(unknown)


def test_many_views_are_proven_by_one_question(scene: Scene) -> None:
    provider, asked = JsonRpcProvider(scene.chain.rpc_url), list[int]()
    counted = Changing(scene.chain.rpc_url, lambda answer: asked.append(len(answer["storageProof"])))
    clients = [client.address for client in scene.clients]
    views = [("enrolmentOf", (1, client)) for client in clients] + [("standingOf", (client,)) for client in clients]
    proven = ProvenReader(counted, scene.address, header_of(provider))
    proven.foresee([*views, *views])
    assert len(asked) == 1 and asked[0] >= len(views)
    told = EthereumReader(provider, scene.address)
    for client in clients:
        assert (proven.enrolment(1, client), proven.standing(client)) == (
            told.enrolment(1, client),
            told.standing(client),
        )
    assert len(asked) == 1
    lying = ProvenReader(Changing(scene.chain.rpc_url, CHANGES["a changed leaf"]), scene.address, header_of(provider))
    with pytest.raises(FalseProofError):
        lying.foresee(views)


def test_every_view_has_a_place() -> None:
    calls = {*VIEWS, *IN_CODE}
    views = {item["name"] for item in abi.contract_abi() if item.get("stateMutability") == "view"} - {"eip712Domain"}
    assert views == calls
    reader = ProvenReader(JsonRpcProvider("http://127.0.0.1:1"), bytes(20), Header(1, bytes(32), bytes(32)))
    with pytest.raises(LedgerError, match="storage"):
        reader._view("viewOfAnotherKind")


class Changing(NodeProvider):
    """Every proof goes through ``change`` first."""

    def __init__(self, chain: str, change: Callable[[dict[str, Any]], object]) -> None:
        self._inner, self._change = JsonRpcProvider(chain), change

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        answer = copy.deepcopy(self._inner.make_request(method, params))
        if method == "eth_getProof" and answer["result"]["storageProof"]:
            self._change(answer["result"])
        return answer


def _flip(nodes: list[str]) -> None:
    data = bytearray.fromhex(nodes[-1][2:])
    data[-1] ^= 1
    nodes[-1] = to_hex(bytes(data))


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a changed leaf": lambda answer: _flip(answer["storageProof"][0]["proof"]),
    "no leaf": lambda answer: answer["storageProof"][0]["proof"].pop(),
    "no nodes": lambda answer: answer["storageProof"][0]["proof"].clear(),
    "junk": lambda answer: answer["storageProof"][0].update(proof=["0x", "0xc0", "0xff"]),
    "another slot's": lambda answer: answer["storageProof"].reverse(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_proof_that_is_none_is_refused(scene: Scene, change: str) -> None:
    provider = Changing(scene.chain.rpc_url, CHANGES[change])
    reader = ProvenReader(provider, scene.address, header_of(provider))
    with pytest.raises(FalseProofError):
        reader.task(1) if change != "another slot's" else reader.round(1, 1)


def test_a_proof_of_another_state_is_refused(scene: Scene) -> None:
    provider = JsonRpcProvider(scene.chain.rpc_url)
    earlier = header_of(provider)
    scene.chain.pass_time(scene.terms.commit_seconds + scene.terms.settle_seconds + 1)
    scene.edge.expire_round(1, 1)
    later = header_of(provider)
    with pytest.raises(FalseProofError):
        ProvenReader(provider, scene.address, Header(later.number, earlier.hash, earlier.state_root)).task_count()
    with pytest.raises(FalseProofError):
        ProvenReader(provider, scene.address, Header(later.number, earlier.hash, bytes(32))).balance(scene.address)


def test_fewer_proofs_than_slots_are_malformed(scene: Scene) -> None:
    provider = Changing(scene.chain.rpc_url, lambda answer: answer["storageProof"].pop())
    with pytest.raises(LedgerError, match="malformed"):
        ProvenReader(provider, scene.address, header_of(provider)).task_count()
