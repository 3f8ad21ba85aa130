"""A chain endpoint that lies consistently: it hides one event, and changes every view that tells of it.

given a round whose edge server left out a client that had committed directly
    when the endpoint tells the truth
        should fail, because the verdict lacks a client
    when it hides the commitment, in the round's count and in the client's view as well
        should fail, because the task's events do not fold to its word
    when it makes up a word, too
        should have an unverified endpoint, unless the word is proven: then it fails
    when it gives no proofs, or another header, or does not know the block, or another endpoint disagrees
        should have an unverified endpoint
    when it gives false proofs
        should fail
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from protocol.audit.report import Report, Status
from protocol.identifiers import ZERO_DIGEST, Address, Digest, to_hex
from protocol.messages.chain import DirectCommitted, RoundView, TaskView
from protocol.messages.settlement import Verdict
from protocol.task.word import next_word
from scripts.commands.auditor import Endpoint, audit_endpoint, run_audit
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.decoding import event_digest
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import JsonRpcProvider, NodeProvider, RpcRefusedError
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.tiny_task import funded_ledger

ROBBED, SILENT = 0, 1  # one committed directly; for the other the server waits until commitUntil


class Lying(NodeProvider):
    """An endpoint that knows of no direct commitment, and shows the word that it is given."""

    def __init__(self, chain: str, word: Digest | None = None) -> None:
        self._chain, self._word = JsonRpcProvider(chain), word

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        answer = self._chain.make_request(method, params)
        if method == "eth_getLogs":
            hidden = next(to_hex(topic) for topic, event in abi.events().items() if event.name == "DirectCommitted")
            answer["result"] = [log for log in answer["result"] if log["topics"][0] != hidden]
        elif method == "eth_call":
            call, shown = (bytes.fromhex(text[2:]) for text in (params[0]["data"], answer["result"]))
            answer["result"] = to_hex(self._view(call, shown))
        return answer

    def _view(self, call: bytes, shown: bytes) -> bytes:
        entry = next(entry for entry in abi.functions().values() if entry.hash[:4] == call[:4])
        values = abi.decode(entry.outputs, shown)
        if entry.name == "roundOf":
            values = (_with(RoundView, values[0], direct=0),)
        elif entry.name == "taskOf" and self._word is not None:
            values = (_with(TaskView, values[0], word=self._word),)
        elif entry.name == "hasCommittedDirectly":
            values = (False,)
        return abi.encode(entry.outputs, values)


def _with(kind: type[TaskView] | type[RoundView], values: tuple[object, ...], **changed: object) -> tuple[object, ...]:
    named = zip(fields(kind), values, strict=True)
    return tuple(changed.get(field.name, value) for field, value in named)


class Changed(NodeProvider):
    """An endpoint with one kind of answer changed."""

    def __init__(self, inner: NodeProvider, method: str, change: Callable[[Any], Any]) -> None:
        self._inner, self._method, self._change = inner, method, change

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        answer = self._inner.make_request(method, params)
        return answer | {"result": self._change(answer["result"])} if method == self._method else answer


def refuse(_: object) -> object:
    raise RpcRefusedError("eth_getProof", -32601, "the method does not exist")


@pytest.fixture(scope="module")
def robbed() -> Player:
    player = Player(funded_ledger("hiding"), rounds=1)
    victim = player.households[ROBBED].address
    lies = {"verdict": lambda verdict: without(verdict, victim)}
    player.play(1, Conduct(direct=(ROBBED,), silent=(SILENT,), lies=lies))
    return player


@pytest.fixture
def honest(robbed: Player) -> NodeProvider:
    return JsonRpcProvider(robbed.chain.rpc_url)


@pytest.fixture
def liar(robbed: Player) -> NodeProvider:
    """With the word of the events that it shows."""
    word = ZERO_DIGEST
    for event in robbed.reader.events(robbed.task):
        if not isinstance(event, DirectCommitted):
            word = next_word(word, robbed.reader.block_timestamp(event.block), event_digest(event))
    return Lying(robbed.chain.rpc_url, word)


def without(verdict: Verdict, client: Address) -> Verdict:
    return replace(verdict, accepted=tuple(one for one in verdict.accepted if one != client))


def audit(player: Player, provider: NodeProvider, **vouched: Any) -> Report:
    return audit_endpoint(Endpoint(provider, player.domain, **vouched), player.store, player.task)


def last_block(provider: NodeProvider) -> Digest:
    last = Node(provider).block("latest")
    assert last is not None
    return last.hash


def failed(report: Report) -> set[int]:
    return {line.number for line in report.lines if line.status is Status.FAIL}


def of_endpoint(report: Report) -> Status:
    (line,) = [line for line in report.lines if line.subject == "endpoint"]
    assert line.number == 27
    return line.status


def test_the_word_tells_of_a_hidden_event(robbed: Player) -> None:
    assert failed(run_audit(robbed.reader, robbed.store, robbed.task)) == {13}
    hiding = EthereumReader(Lying(robbed.chain.rpc_url), robbed.reader.ledger)
    assert failed(run_audit(hiding, robbed.store, robbed.task)) == {27}


def test_who_makes_up_the_word_too_is_unverified_or_found_out(
    robbed: Player, honest: NodeProvider, liar: NodeProvider
) -> None:
    report = audit(robbed, liar)
    assert (failed(report), report.status) == (set(), Status.UNVERIFIED)
    for vouched in ({"block": last_block(honest)}, {"others": (honest,)}):
        assert failed(audit(robbed, honest, **vouched)) == {13}
        report = audit(robbed, liar, **vouched)
        assert 27 in failed(report) and of_endpoint(report) is Status.PASS


@pytest.mark.parametrize("method", ["eth_getProof", "eth_getBlockByHash"])
def test_who_gives_no_proofs_or_no_header_is_unverified(robbed: Player, liar: NodeProvider, method: str) -> None:
    block = last_block(liar)
    silent = Changed(liar, method, refuse if method == "eth_getProof" else lambda _: None)
    assert audit(robbed, silent, block=block).status is Status.UNVERIFIED


@pytest.mark.parametrize("field", ["stateRoot", "number", "hash"])
def test_a_header_of_its_own_is_unverified(robbed: Player, liar: NodeProvider, field: str) -> None:
    block = last_block(liar)
    made_up = Changed(liar, "eth_getBlockByHash", lambda answer: answer | {field: "0x" + "1" * 64})
    assert audit(robbed, made_up, block=block).status is Status.UNVERIFIED


def test_another_block_than_the_named_one_is_unverified(robbed: Player, liar: NodeProvider) -> None:
    assert audit(robbed, liar, block=bytes(32)).status is Status.UNVERIFIED
    genesis = liar.make_request("eth_getBlockByNumber", ["0x0", False])["result"]
    other = Changed(liar, "eth_getBlockByHash", lambda _: genesis)
    assert audit(robbed, other, block=last_block(liar)).status is Status.UNVERIFIED


def test_endpoints_that_disagree_or_are_silent_vouch_for_nothing(robbed: Player, liar: NodeProvider) -> None:
    def another(answer: Any) -> Any:
        return answer | {"hash": "0x" + "1" * 64}

    for change in (another, lambda _: None):
        other = Changed(JsonRpcProvider(robbed.chain.rpc_url), "eth_getBlockByNumber", change)
        assert audit(robbed, liar, others=(other,)).status is Status.UNVERIFIED
        named = audit(robbed, liar, others=(other,), block=last_block(liar))
        assert named.status is Status.UNVERIFIED
    assert audit(robbed, liar, others=(JsonRpcProvider("http://127.0.0.1:1"),)).status is Status.UNVERIFIED


def test_false_proofs_fail(robbed: Player, honest: NodeProvider) -> None:
    def emptied(answer: Any) -> Any:
        return answer | {"storageProof": [slot | {"proof": []} for slot in answer["storageProof"]]}

    report = audit(robbed, Changed(honest, "eth_getProof", emptied), block=last_block(honest))
    assert (report.status, failed(report), len(report.lines)) == (Status.FAIL, {27}, 1)


def test_code_of_its_own_is_noticed(robbed: Player, honest: NodeProvider) -> None:
    other = Changed(honest, "eth_getCode", lambda code: code[:-2] + "00")
    report = audit(robbed, other, block=last_block(honest))
    assert failed(report) == {27} and "code" in report.lines[0].detail
