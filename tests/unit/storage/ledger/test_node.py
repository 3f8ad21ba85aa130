"""What counts as a number, as data or as a block in a node's answer; web3 is brought along by who sends, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from eth_bloom.bloom import BloomFilter

from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.ethereum.node import BlockHead, Node, data, quantity
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import NodeProvider
from storage.ledger.interface import LedgerError
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key

HEAD = {"number": "0x10", "hash": "0x" + "ab" * 32, "timestamp": "0x65", "transactions": []}


class _Says(NodeProvider):
    """The same result to every question."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.asked: list[tuple[str, Any]] = []

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        self.asked.append((method, params))
        return {"jsonrpc": "2.0", "id": 1, "result": self.value}


def test_numbers_and_data() -> None:
    assert [quantity(text) for text in ("0x0", "0x00ff", "0xFF")] == [0, 255, 255]
    assert [data(text) for text in ("0x", "0x00Ff")] == [b"", b"\0\xff"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0x",
        "ff",
        "0xfg",
        "0x-1",
        "-0x1",
        "0x1_0",
        "0x 1",
        "0x1\n",
        "0x\u0661",
        "0X1",
        "0x1" + "0" * 64,
        7,
        None,
        b"0x1",
    ],
)
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        quantity(value)


@pytest.mark.parametrize("value", ["", "0", "ff", "0xf", "0xfg", "0x 00", "0x00\n", "0x\u0661\u0661", 7, None, b"0x00"])
def test_what_is_no_data(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        data(value)


def test_a_block_by_number_and_by_tag() -> None:
    provider = _Says(HEAD)
    assert Node(provider).block(16) == Node(provider).block("latest") == BlockHead(16, b"\xab" * 32, 101)
    assert provider.asked == [("eth_getBlockByNumber", [tag, False]) for tag in ("0x10", "latest")]
    assert Node(_Says(None)).block(17) is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        "0x",
        7,
        {},
        HEAD | {"hash": None},
        HEAD | {"hash": "0x12"},
        HEAD | {"number": -1},
        HEAD | {"timestamp": "0x1" + "0" * 16},
    ],
)
def test_what_is_no_block(value: Any) -> None:
    with pytest.raises(LedgerError, match="eth_getBlockByNumber"):
        Node(_Says(value)).block("latest")


def test_one_sender_for_all_threads_and_all_depths() -> None:
    """Two would not know of each other's nonces."""
    ledger = EthereumLedger("http://127.0.0.1:9", DOMAIN, Signer(private_key("late")))
    deep = ledger.confirmed(3)
    with ThreadPoolExecutor(8) as pool:
        senders = set(pool.map(lambda number: (ledger, deep)[number % 2]._sender(), range(16)))
    ledger.close()
    assert len(senders) == 1


def test_a_bloom_shows_who_said_nothing_and_an_empty_one_shows_nothing() -> None:
    """By the filter of another implementation."""
    speaker, others = bytes([1]) * 20, [bytes([number]) * 20 for number in range(2, 60)]
    bloom = BloomFilter.from_iterable([speaker, b"a topic"])
    head = BlockHead(1, bytes(32), 1, bytes(32), int(bloom).to_bytes(256))
    assert not head.is_without(speaker)
    assert sum(head.is_without(other) for other in others) >= len(others) - 2
    for nothing in (b"", bytes(256)):
        assert not BlockHead(1, bytes(32), 1, bytes(32), nothing).is_without(speaker), "some chains never set a bit"
    assert BlockHead(1, bytes(32), 1, bytes(32), bytes(256)).is_without(speaker, sets_blooms=True)
    assert not BlockHead(1, bytes(32), 1, bytes(32), b"").is_without(speaker, sets_blooms=True), "it gave none"
    assert not head.is_without(speaker, sets_blooms=True)


def test_blocks_without_any_bit_are_quiet_once_the_ledger_was_seen_in_a_bloom() -> None:
    node, says = _Says(None), BloomFilter.from_iterable([DOMAIN.ledger])
    others = BloomFilter.from_iterable([bytes([7]) * 20])
    reader, quiet = EthereumReader(node, DOMAIN.ledger), list[bool]()
    for bloom in (bytes(256), int(others).to_bytes(256), bytes(256), int(says).to_bytes(256), bytes(256), b""):
        node.value = HEAD | {"logsBloom": "0x" + bloom.hex()}
        quiet.append(reader.head().is_quiet)
    assert quiet == [False, True, False, False, True, False]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("anvil/v1.2.3", True),
        ("Ganache/v7.9.2/EthereumJS TestRPC/v7.9.2/ethereum-js", True),
        ("HearthDevelopmentChain/py-evm", True),
        ("Geth/v1.14.0-stable/linux-amd64/go1.22", False),
        ("erigon/2.60/anvil/", False),
    ],
)
def test_a_chain_for_development_is_known_by_its_program(name: str, expected: bool) -> None:
    assert Node(_Says(name)).is_for_development() is expected
