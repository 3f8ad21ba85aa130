"""Answers of a node that lies about the ledger: one typed error each, whatever part is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.keccak import keccak
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.reverts import decode_revert
from storage.ledger.ethereum.rpc import NodeProvider
from storage.ledger.interface import LedgerError, TransactionRevertedError
from tests.unit.storage.ledger.node import by_method, node, result

LEDGER = bytes(range(1, 21))
KEY_REQUESTED = "0x" + keccak(b"KeyRequested(uint256,address,uint64,bytes32)").hex()


def word(number: int) -> str:
    return "0x" + number.to_bytes(32, "big").hex()


def log(**changes: Any) -> dict[str, Any]:
    """A valid KeyRequested of task 1, round 2, changed."""
    return {
        "address": "0x" + LEDGER.hex(),
        "topics": [KEY_REQUESTED, word(1), word(0), word(2)],
        "data": "0x" + "13" * 32,
        "blockNumber": "0x5",
        "blockHash": word(9),
        "transactionHash": word(8),
        "transactionIndex": "0x0",
        "logIndex": "0x0",
        "removed": False,
    } | changes


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in log().items() if key != name}


def events_of(logs: object, task: int | None = 1) -> list[Any]:
    with node(by_method(eth_getLogs=result(logs), eth_blockNumber=result("0x5"))) as url:
        reader = EthereumReader(url, LEDGER)
        try:
            return reader.events(task)
        finally:
            reader.close()


def test_a_valid_log_is_an_event() -> None:
    (event,) = events_of([log()])
    assert (event.task, event.round, event.request, event.block) == (1, 2, b"\x13" * 32, 5)


@pytest.mark.parametrize(
    "logs",
    [
        None,
        {},
        "0x",
        7,
        [None],
        [[]],
        ["log"],
        [log(), log()],
        [log(blockNumber="0x6"), log()],
        [log(topics=[KEY_REQUESTED, word(2), word(0), word(2)])],
        [log(topics=[KEY_REQUESTED, word(1), word(2)])],
        [log(topics=[KEY_REQUESTED, word(1), word(3), word(2)])],
        [log(topics=[KEY_REQUESTED, word(1), word(0), word(2), word(3)])],
        [log(topics=[KEY_REQUESTED, word(1), word(0), word(2**64)])],
        [log(topics=[KEY_REQUESTED, "0x01", word(0), word(2)])],
        [log(topics=[KEY_REQUESTED, 7, word(0), word(2)])],
        [log(topics="0x")],
        [log(topics=None)],
        [log(data="0x")],
        [log(data="0x" + "13" * 33)],
        [log(data="13" * 32 + "zz")],
        [log(data=None)],
        [log(data=[])],
        [log(blockNumber=None)],
        [log(blockNumber="0x" + "f" * 17)],
        [log(blockNumber="-0x5")],
        [log(blockNumber="five")],
        [log(logIndex=None)],
        [log(logIndex=[])],
        [log(transactionHash="0x12")],
        [log(transactionHash=None)],
        [log(address=None)],
        [log(address="0x12")],
        [log(address=["0x" + LEDGER.hex()])],
        *[[without(name)] for name in ("address", "topics", "data", "blockNumber", "logIndex", "transactionHash")],
    ],
)
def test_a_malformed_log_is_one_error(logs: object) -> None:
    with pytest.raises(LedgerError):
        events_of(logs)


def test_foreign_removed_and_unknown_logs_are_left_out() -> None:
    foreign = log(address="0x" + "99" * 20)
    unknown = log(topics=["0x" + "aa" * 32], logIndex="0x1")
    assert events_of([foreign, log(removed=True), unknown, log(topics=[], logIndex="0x2")]) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.sampled_from(["", "0x", "0x1", word(1), "0x" + "00" * 96]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(log())), inner, max_size=4),
    max_leaves=8,
)
READS: list[Callable[[EthereumReader], object]] = [
    lambda reader: reader.domain,
    lambda reader: reader.now(),
    lambda reader: reader.block_number(),
    lambda reader: reader.head(),
    lambda reader: reader.block_timestamp(3),
    lambda reader: reader.code(),
    lambda reader: reader.balance(LEDGER),
    lambda reader: reader.task_count(),
    lambda reader: reader.task(1),
    lambda reader: reader.round(1, 1, 1),
    lambda reader: reader.enrolment(1, LEDGER),
    lambda reader: reader.has_committed_directly(1, 1, LEDGER),
    lambda reader: reader.is_compensated(1, 1, LEDGER),
    lambda reader: reader.signer(1, LEDGER),
    lambda reader: reader.claimed(1, LEDGER),
    lambda reader: reader.standing(LEDGER),
    lambda reader: reader.events(1),
    lambda reader: reader.verify_contract(),
]


class _Says(NodeProvider):
    """The same result to every question."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": 1, "result": self._value}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=JSON)
def test_any_result_is_a_value_or_a_ledger_error(value: object) -> None:
    for read in READS:
        try:
            read(EthereumReader(_Says(value), LEDGER))
        except (LedgerError, TransactionRevertedError):
            pass


@given(st.binary(max_size=200))
def test_any_revert_data_is_a_typed_refusal(data: bytes) -> None:
    assert isinstance(decode_revert(data), TransactionRevertedError)


def test_reverts_by_name() -> None:
    unknown = decode_revert(keccak(b"HearthLedger_TaskUnknown(uint256)")[:4] + (7).to_bytes(32, "big"))
    assert (unknown.name, unknown.arguments) == ("TaskUnknown", (7,))
    panic = decode_revert(bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"))
    assert (panic.name, panic.arguments) == ("Panic", (0x11,))
    assert decode_revert(b"\1\2\3\4").name == "Unknown"
