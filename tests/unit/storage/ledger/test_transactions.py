"""Sending one account's transactions to nodes that are slow, forgetful, shared with others, or wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol.keccak import keccak
from storage.ledger.ethereum.account import OVERTAKEN_POLLS
from storage.ledger.ethereum.transactions import (
    GAS_MARK,
    MAX_ATTEMPTS,
    MAX_REPLACEMENTS,
)
from storage.ledger.interface import LedgerError, TransactionRevertedError
from storage.ledger.signer import Signer
from tests.unit.storage.ledger.scene_sender import TO, PlayedNode, fields, refuse, sender


def test_fees_gas_and_nonces() -> None:
    node = PlayedNode()
    one = sender(node)
    one.send(TO, b"", 3)
    one.send(TO, b"", 3)
    assert [fields(raw)[:4] for raw in node.sent] == [[31337, nonce, 7, 207] for nonce in (5, 6)]
    assert all(0 <= fields(raw)[4] - 50_000 < GAS_MARK for raw in node.sent)


def test_two_processes_never_sign_the_same_transaction() -> None:
    """Else both would take the one that is mined for their own, and a payment would be lost."""
    node = PlayedNode(eth_getTransactionCount=lambda *_: hex(5))
    for _ in range(8):
        sender(node).send(TO, b"", 3)
    assert len(set(node.sent)) > 1


def test_a_chain_without_eip_1559() -> None:
    node = PlayedNode(eth_getBlockByNumber=lambda *_: {}, eth_gasPrice=lambda: hex(11))
    sender(node).send(TO, b"")
    raw = node.sent[0]
    assert raw[0] >= 0xC0, "a bare RLP list, no typed transaction"
    assert raw[2:4] == bytes([5, 11]), "nonce and gas price"


def test_a_call_that_would_revert_is_not_sent() -> None:
    data = "0x08c379a0" + "20".rjust(64, "0") + "2".rjust(64, "0") + b"no".hex().ljust(64, "0")
    node = PlayedNode(eth_estimateGas=lambda *_: refuse("execution reverted", data))
    with pytest.raises(TransactionRevertedError) as caught:
        sender(node).send(TO, b"\1")
    assert (caught.value.name, caught.value.arguments) == ("Error", ("no",))
    assert node.sent == []


@pytest.mark.parametrize("message", ["nonce too low", "can't be replaced, full", "replaced by better transaction"])
def test_a_nonce_taken_by_another_process_is_left_to_it(message: str) -> None:
    node = PlayedNode()
    one = sender(node)
    one.send(TO, b"")
    node.count += 3
    taken = iter([True])

    def send(raw: str) -> str:
        return refuse(message) if next(taken, False) else node.eth_sendRawTransaction(raw)

    node.answers["eth_sendRawTransaction"] = send
    one.send(TO, b"")
    assert [fields(raw)[1] for raw in node.sent] == [5, 9]


def test_endless_nonce_trouble_ends() -> None:
    node = PlayedNode(eth_sendRawTransaction=lambda raw: refuse("nonce too low"))
    with pytest.raises(LedgerError, match="nonce"):
        sender(node).send(TO, b"")
    assert node.asked.count("eth_sendRawTransaction") == MAX_ATTEMPTS


@pytest.mark.parametrize("message", ["already known", "ALREADY_EXISTS: already known", "known transaction: 12"])
def test_a_transaction_that_the_node_has_is_awaited(message: str) -> None:
    node = PlayedNode(eth_sendRawTransaction=lambda raw: refuse(message))
    assert sender(node).send(TO, b"")["status"] == 1


def test_a_mined_repetition_is_not_sent_again() -> None:
    """The first answer was lost, the repeated request finds its own transaction mined."""
    node = PlayedNode(
        eth_sendRawTransaction=lambda raw: refuse("nonce too low"),
        eth_getTransactionByHash=lambda digest: {"hash": digest, "blockNumber": "0x1"},
    )
    assert sender(node).send(TO, b"")["status"] == 1
    assert node.asked.count("eth_sendRawTransaction") == 1


def test_a_transaction_that_nobody_mines_is_offered_more_and_repeated() -> None:
    """Same nonce, same call; dearer by a quarter each time, and not for ever."""
    node = PlayedNode(eth_getTransactionReceipt=lambda digest: None, eth_getTransactionCount=lambda *_: hex(5))
    with pytest.raises(LedgerError, match="nothing heard"):
        sender(node).send(TO, b"")
    offers = list(dict.fromkeys(node.sent))
    assert [fields(raw)[1:4] for raw in offers[:3]] == [[5, 7, 207], [5, 9, 259], [5, 12, 324]]
    assert 3 <= len(offers) <= MAX_REPLACEMENTS + 1
    assert set(node.sent[-len(offers) :]) == set(offers), "a node that forgot them gets all of them again"


def test_an_older_offer_that_is_mined_counts() -> None:
    node = PlayedNode(eth_getTransactionCount=lambda *_: hex(5))

    def receipt(digest: str) -> dict[str, Any] | None:
        first = "0x" + keccak(node.sent[0]).hex()
        return PlayedNode.eth_getTransactionReceipt(node, digest) if len(node.sent) > 2 and digest == first else None

    node.answers["eth_getTransactionReceipt"] = receipt
    assert sender(node).send(TO, b"")["transactionHash"] == keccak(node.sent[0])


def test_an_underpriced_offer_is_raised() -> None:
    refusals = iter(["transaction underpriced", "max fee per gas less than block base fee"])

    def send(raw: str) -> str:
        refusal = next(refusals, None)
        return refuse(refusal) if refusal else node.eth_sendRawTransaction(raw)

    node = PlayedNode(eth_sendRawTransaction=send)
    sender(node).send(TO, b"")
    assert [fields(raw)[1:4] for raw in node.sent] == [[5, 12, 324]]


def test_a_mined_failure_says_why() -> None:
    def failed(digest: str) -> dict[str, Any]:
        return {"transactionHash": digest, "blockNumber": "0x1", "status": "0x0"}

    node = PlayedNode(eth_getTransactionReceipt=failed, eth_call=lambda *_: refuse("execution reverted", "0x01020304"))
    with pytest.raises(TransactionRevertedError) as caught:
        sender(node).send(TO, b"")
    assert (caught.value.name, caught.value.arguments) == ("Unknown", (b"\1\2\3\4",))


@pytest.mark.parametrize(
    "answers",
    [
        {"eth_estimateGas": lambda *_: None},
        {"eth_estimateGas": lambda *_: "many"},
        {"eth_estimateGas": lambda *_: "-0x1"},
        {"eth_getBlockByNumber": lambda *_: None},
        {"eth_getBlockByNumber": lambda *_: []},
        {"eth_getBlockByNumber": lambda *_: {"baseFeePerGas": hex(2**200)}},
        {"eth_getBlockByNumber": lambda *_: {"baseFeePerGas": {}}},
        {"eth_maxPriorityFeePerGas": list},
        {"eth_getTransactionCount": lambda *_: "0x" + "f" * 40},
        {"eth_getTransactionCount": lambda *_: None},
        {"eth_sendRawTransaction": lambda *_: refuse("insufficient funds")},
        {"eth_getTransactionReceipt": lambda *_: 7},
        {"eth_getTransactionReceipt": lambda *_: [1]},
        {"eth_getTransactionReceipt": lambda *_: {"blockNumber": "0x1", "status": "0x1"}},
        {"eth_getTransactionReceipt": lambda *_: {"transactionHash": "0x" + "22" * 32, "blockNumber": "0x1"}},
    ],
)
def test_a_wrong_answer_is_one_error(answers: dict[str, Callable[..., Any]]) -> None:
    with pytest.raises(LedgerError):
        sender(PlayedNode(**answers)).send(TO, b"")


def test_a_receipt_that_comes_after_the_count_is_awaited() -> None:
    """A node that has counted the transaction and not yet indexed it is no reason to send it twice."""
    answers = iter([None] * (OVERTAKEN_POLLS - 1))

    def late(digest: str) -> dict[str, Any] | None:
        return next(answers, PlayedNode.eth_getTransactionReceipt(node, digest))

    node = PlayedNode(eth_getTransactionReceipt=late)
    sender(node).send(TO, b"")
    assert len(node.sent) == 1


def test_a_transaction_whose_nonce_another_process_used_is_sent_at_the_next() -> None:
    lost = "0x"

    def never_the_first(digest: str) -> dict[str, Any] | None:
        nonlocal lost
        lost = "0x" + keccak(node.sent[0]).hex()
        return None if digest == lost else PlayedNode.eth_getTransactionReceipt(node, digest)

    node = PlayedNode(eth_getTransactionReceipt=never_the_first)
    assert sender(node).send(TO, b"")["transactionHash"] == keccak(node.sent[1])
    assert [fields(raw)[1] for raw in node.sent] == [5, 6]


def test_a_node_that_always_wants_more_does_not_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(raw: str) -> str:
        return refuse("replacement transaction underpriced") if node.sent else node.eth_sendRawTransaction(raw)

    node = PlayedNode(
        eth_getTransactionReceipt=lambda _: None, eth_getTransactionCount=lambda *_: hex(5), eth_sendRawTransaction=send
    )
    signed: list[bytes] = []

    class _Watched(Signer):
        def sign_transaction(self, transaction: Any) -> bytes:
            signed.append(super().sign_transaction(transaction))
            return signed[-1]

    monkeypatch.setattr("tests.unit.storage.ledger.scene_sender.Signer", _Watched)
    with pytest.raises(LedgerError, match="nothing heard"):
        sender(node).send(TO, b"")
    assert len(signed) == MAX_REPLACEMENTS + 1
    assert fields(signed[-1])[3] < 5 * fields(signed[0])[3]


def test_a_refusal_with_data_about_the_nonce_is_no_revert() -> None:
    """Ganache's: the data is the transaction's hash."""
    refusals = iter(["VM Exception: the tx doesn't have the correct nonce. account has nonce of: 66"])

    def send(raw: str) -> str:
        refusal = next(refusals, None)
        return refuse(refusal, "0x" + "b4" * 32) if refusal else node.eth_sendRawTransaction(raw)

    node = PlayedNode(eth_sendRawTransaction=send)
    sender(node).send(TO, b"")
    assert len(node.sent) == 1
