"""The queries for the events of one client: which topics, of which events, and where a long chain is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.keccak import keccak
from protocol.messages.following import ABOUT_ONE, NO_CLIENT, OF_THE_TASK
from protocol.messages.rosters import RosterPosted
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.calls import encode_call
from storage.ledger.ethereum.decoding import EVENT_TYPES
from storage.ledger.ethereum.event_logs import WORTH_A_SEARCH
from storage.ledger.ethereum.log_ranges import BLOCKS
from storage.ledger.ethereum.log_topics import Wanted
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import NodeProvider, RpcRefusedError
from storage.ledger.interface import LedgerError
from tests.samples import client_address

LEDGER, CLIENT, OTHER = b"\1" * 20, client_address(0), client_address(1)
RETURNED = "0x" + keccak(b"StakeReturned(uint256,address,uint128)").hex()
EXPIRED = "0x" + keccak(b"RoundExpired(uint256,address,uint64)").hex()
POSTED, ENDED, LAST = 40 * BLOCKS, 43 * BLOCKS, 200 * BLOCKS  # blocks of a long chain


def word(value: int | bytes) -> str:
    return "0x" + (value.to_bytes(32) if isinstance(value, int) else value.rjust(32, b"\0")).hex()


def log(topics: list[str], block: int, index: int = 0, data: str = "0x") -> dict[str, Any]:
    return {
        "address": "0x" + LEDGER.hex(), "topics": topics, "data": data, "blockNumber": hex(block),
        "transactionHash": word(8), "logIndex": hex(index), "removed": False,
    }  # fmt: skip


class Node(NodeProvider):
    """Answers with the ``logs`` of the topics that are asked for, or with ``forced`` whatever is asked."""

    def __init__(self, *logs: dict[str, Any], forced: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.logs, self.forced = logs, forced
        self.asked = list[dict[str, Any]]()

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": 1, "result": self.answer(method, params)}

    def answer(self, method: str, params: Any) -> Any:
        assert method == "eth_getLogs"
        self.asked.append(params[0])
        found = [one for one in self.logs if self._fits(one["topics"], params[0]["topics"])]
        return found if self.forced is None else [self.forced]

    @staticmethod
    def _fits(topics: list[str], wanted: list[Any]) -> bool:
        pairs = zip(topics, wanted, strict=False)
        return all(one is None or topic == one or (isinstance(one, list) and topic in one) for topic, one in pairs)


def test_every_event_of_the_contract_is_somebody_s() -> None:
    assert {*ABOUT_ONE, *OF_THE_TASK, RosterPosted} == set(EVENT_TYPES.values())
    assert not ABOUT_ONE.keys() & OF_THE_TASK
    foreign = {"EIP712DomainChanged"}  # of the library, which never says it
    assert {entry.name for entry in abi.events().values()} - foreign == EVENT_TYPES.keys()


def test_the_second_topic_of_an_event_about_a_client_is_the_client() -> None:
    entries = {entry.name: entry for entry in abi.events().values()}
    for kind, member in ABOUT_ONE.items():
        names = [name for name in kind.__annotations__ if not name.startswith("_")]
        entry = entries[kind.__name__]
        assert entry.indexed[:2] == (True, True) and entry.inputs[1] == "address"
        assert names[:2] == ["task", member]


def test_an_event_of_the_whole_task_is_about_nobody() -> None:
    entries = {entry.name: entry for entry in abi.events().values()}
    for kind in OF_THE_TASK:
        entry = entries[kind.__name__]
        assert entry.indexed[:2] == (True, True) and entry.inputs[1] == "address"


def test_one_query_asks_for_what_concerns_a_client() -> None:
    mine, others = ([RETURNED, word(1), word(client)] for client in (CLIENT, OTHER))
    node = Node(
        log([EXPIRED, word(1), word(0), word(1)], 5), log(mine, 7, data=word(5)), log(others, 8, data=word(5)),
        log([EXPIRED, word(1), word(0), word(2)], 9),
    )  # fmt: skip
    assert [event.block for event in EthereumReader(node, LEDGER).events(1, 3, CLIENT)] == [5, 7, 9]
    (query,) = node.asked
    assert query["topics"] == [None, word(1), [word(0), word(CLIENT)]]
    assert query["fromBlock"] == "0x3"


def test_nobody_s_own_events_are_not_asked_for() -> None:
    assert Wanted(1, NO_CLIENT).topics() == [None, word(1), [word(0)]]


def test_of_all_tasks_no_task_is_asked_for() -> None:
    assert Wanted(None, CLIENT).topics() == [None, None, [word(0), word(CLIENT)]]
    assert Wanted(None).topics() is None


@pytest.mark.parametrize("topics", [[RETURNED, word(1), word(OTHER)], [RETURNED, word(2), word(CLIENT)]])
def test_an_answer_about_somebody_else_is_refused(topics: list[str]) -> None:
    with pytest.raises(LedgerError, match="another task or client"):
        EthereumReader(Node(forced=log(topics, 7, data=word(5))), LEDGER).events(1, 0, CLIENT)


class LongChain(Node):
    """Allows ranges of so many blocks, and has one task, which ends. ``keeps``: the state of old blocks."""

    def __init__(self, keeps: bool = True, tells_of: int | None = None) -> None:
        super().__init__()
        self.keeps, self.tells_of = keeps, tells_of

    def answer(self, method: str, params: Any) -> Any:
        if method == "eth_blockNumber":
            return hex(LAST)
        if method == "eth_call":
            block = LAST if params[1] == "latest" else int(params[1], 16)
            if not self.keeps and block < LAST:
                raise RpcRefusedError("eth_call", -32000, "missing trie node")
            block = self.tells_of or block
            if params[0]["data"] == "0x" + encode_call("taskCount").hex():
                return word(int(block >= POSTED))
            return self._view(block)
        first = int(params[0]["fromBlock"], 16)
        last = LAST if params[0]["toBlock"] == "latest" else int(params[0]["toBlock"], 16)
        if last - first >= BLOCKS:
            raise RpcRefusedError("eth_getLogs", -32602, f"limit of {BLOCKS} blocks")
        self.asked.append({"first": first, "last": last})
        return []

    def _view(self, block: int) -> str:
        """Of a task whose word is the last block that said something of it."""
        words = [bytes(32)] * 28 + [max(POSTED, min(block, ENDED)).to_bytes(32)]
        return "0x" + b"".join(words).hex()


def test_of_a_task_on_a_long_chain_no_block_before_and_behind_it_is_read() -> None:
    node = LongChain()
    EthereumReader(node, LEDGER).events(1, 0, CLIENT)
    assert (node.asked[0]["first"], node.asked[-1]["last"]) == (POSTED, ENDED)
    assert len(node.asked) < 2 * WORTH_A_SEARCH


@pytest.mark.parametrize("node", [LongChain(keeps=False), LongChain(tells_of=LAST)])
def test_a_node_without_history_is_asked_for_everything(node: LongChain) -> None:
    """Also one that tells of the last block, whichever is asked for."""
    EthereumReader(node, LEDGER).events(1, 0, NO_CLIENT)
    assert (node.asked[0]["first"], node.asked[-1]["last"]) == (0, LAST)
