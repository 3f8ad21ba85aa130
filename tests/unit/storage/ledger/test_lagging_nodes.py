"""Sending transactions through an endpoint that hides several nodes: some lag, some answers are lost."""

from __future__ import annotations

from typing import Any

import pytest

from storage.ledger.ethereum.account import STALE_POLLS
from storage.ledger.ethereum.rpc import RpcRefusedError
from storage.ledger.interface import LedgerError, TransactionRevertedError, UnansweredError
from tests.unit.storage.ledger.scene_sender import TO, PlayedNode, fields, refuse, sender


def _unanswered(*_: Any) -> Any:
    raise UnansweredError("HTTP 503: bad gateway")


def test_what_may_have_been_taken_is_awaited_and_never_signed_once_more() -> None:
    """The node took it and its answer was lost."""

    def send(raw: str) -> str:
        node.eth_sendRawTransaction(raw)
        return str(_unanswered())

    node = PlayedNode(eth_sendRawTransaction=send)
    assert sender(node).send(TO, b"", 3)["status"] == 1
    assert len(node.sent) == 1


def test_a_repetition_refused_by_a_node_that_lags_is_not_paid_twice() -> None:
    """The first attempt is mined; the node that is asked for it does not know it yet."""

    def send(raw: str) -> str:
        node.eth_sendRawTransaction(raw)
        error = RpcRefusedError("eth_sendRawTransaction", -32000, "nonce too low")
        error.repeated = True
        raise error

    late = iter([None] * 4)
    node = PlayedNode(eth_sendRawTransaction=send, eth_getTransactionByHash=lambda digest: next(late, {"hash": digest}))
    assert sender(node).send(TO, b"", 3)["status"] == 1
    assert len(node.sent) == 1
    never = PlayedNode(eth_sendRawTransaction=send)
    with pytest.raises(LedgerError, match="nobody knows whether"):
        sender(never).send(TO, b"", 3)


@pytest.mark.parametrize("method", ["eth_getTransactionReceipt", "eth_getTransactionCount", "eth_blockNumber"])
def test_a_bad_answer_while_it_waits_ends_no_wait(method: str) -> None:
    node = PlayedNode(eth_blockNumber=lambda: hex(9))
    honest = node.answers.get(method) or getattr(node, method)
    bad = iter([False, True, True])

    def answer(*params: Any) -> Any:
        if bool(node.sent) and next(bad, False):
            _unanswered()
        return honest(*params)

    node.answers[method] = answer
    assert sender(node).send(TO, b"", 3, confirmations=2)["status"] == 1
    assert len(node.sent) == 1


def test_a_receipt_that_a_node_behind_the_others_lacks_for_long_is_awaited() -> None:
    """One node has counted the transaction, the one that is asked for its receipt is ten seconds behind."""
    node = PlayedNode()
    one = sender(node)
    clock = one._pace.monotonic

    def late(digest: str) -> dict[str, Any] | None:
        return PlayedNode.eth_getTransactionReceipt(node, digest) if clock() > 10 else None

    node.answers["eth_getTransactionReceipt"] = late
    one.send(TO, b"", 3)
    assert len(node.sent) == 1


def test_the_count_of_a_node_that_lags_is_asked_for_again() -> None:
    node = PlayedNode()
    one = sender(node)
    one.send(TO, b"")
    behind = iter([hex(5)] * (STALE_POLLS - 1))
    node.answers["eth_getTransactionCount"] = lambda *_: next(behind, hex(node.count))
    one.send(TO, b"")
    assert [fields(raw)[1] for raw in node.sent] == [5, 6]


def test_a_chain_that_went_back_has_its_own_count() -> None:
    node = PlayedNode()
    one = sender(node)
    one.send(TO, b"")
    node.count = 5
    one.send(TO, b"")
    assert [fields(raw)[1] for raw in node.sent] == [5, 5]


def test_a_node_without_the_last_transaction_refuses_nothing_that_follows_from_it() -> None:
    node = PlayedNode(eth_blockNumber=lambda: hex(1))
    one = sender(node)
    one.send(TO, b"")
    refusals = iter([True, True])

    def lags() -> bool:
        return next(refusals, False)

    node.answers["eth_estimateGas"] = lambda *_: refuse("execution reverted") if lags() else hex(40_000)
    heads = iter([0, 1, 0])
    node.answers["eth_blockNumber"] = lambda: hex(next(heads, 1))
    one.send(TO, b"")
    assert len(node.sent) == 2


def test_a_failure_whose_reason_nobody_tells_is_known_as_one() -> None:
    def failed(digest: str) -> dict[str, Any]:
        return {"transactionHash": digest, "blockNumber": "0x1", "status": "0x0"}

    with pytest.raises(TransactionRevertedError):
        sender(PlayedNode(eth_getTransactionReceipt=failed, eth_call=_unanswered)).send(TO, b"")


def test_an_endpoint_that_takes_no_transactions_is_said_in_time() -> None:
    """It answers everything else, so nothing was mined of it, and nobody has heard of it."""
    node = PlayedNode(eth_sendRawTransaction=_unanswered, eth_getTransactionReceipt=lambda _: None)
    one = sender(node)
    with pytest.raises(UnansweredError) as caught:
        one.send(TO, b"", 3)
    said = str(caught.value)
    assert "nobody knows whether" in said and "look for it before sending again" in said and "HTTP 503" in said
    assert "0x" in said and one._pace.monotonic() < 15
    assert node.asked.count("eth_sendRawTransaction") == 2


@pytest.mark.parametrize("how", ["at the second attempt", "at the first, unsaid"])
def test_what_a_node_has_after_all_is_awaited_as_long_as_any_other(how: str) -> None:
    answers = iter([True] if how == "at the second attempt" else [True, True])

    def send(raw: str) -> str:
        return str(_unanswered()) if next(answers, False) else node.eth_sendRawTransaction(raw)

    def late(digest: str) -> dict[str, Any] | None:
        return PlayedNode.eth_getTransactionReceipt(node, digest) if clock() > 40 else None

    node = PlayedNode(eth_sendRawTransaction=send, eth_getTransactionReceipt=late)
    node.answers["eth_getTransactionCount"] = lambda *_: hex(5)
    node.answers["eth_getTransactionByHash"] = lambda digest: {"hash": digest}
    one = sender(node)
    clock = one._pace.monotonic
    assert one.send(TO, b"", 3)["status"] == 1
