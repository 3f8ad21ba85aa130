"""Following a chain that grows, changes its mind between two questions, and refuses large ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest

from protocol.identifiers import Address
from protocol.messages.chain import Event, KeyRequested, RoundExpired
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import AnswerTooLargeError, NodeProvider, RpcRefusedError
from storage.ledger.follower import LAG_BLOCKS, LAG_LOOKS, MAX_CHECKPOINTS, EventFollower
from storage.ledger.interface import Head, LedgerError, LedgerReader

LEDGER = bytes(range(1, 21))


@dataclass
class _Chain:
    """One event per block; a block is known by the fork that it was mined on. ``then`` happens after one question."""

    forks: list[str] = field(default_factory=list)
    then: dict[str, Any] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def mine(self, fork: str, count: int = 1) -> None:
        self.forks += [fork] * count

    def fall_back(self, height: int, fork: str, count: int) -> None:
        del self.forks[height:]
        self.mine(fork, count)

    def head(self) -> Head:
        number = len(self.forks) - 1
        parent, quiet = self._hash(number - 1) if number else b"", self.forks[number] == "quiet"
        answer: Head = self._answered("head", Head(number, self._hash(number), 10 * number, parent, quiet))
        return answer

    def block_hash(self, block: int) -> bytes | None:
        answer: bytes | None = self._answered("block_hash", self._hash(block) if block < len(self.forks) else None)
        return answer

    def _hash(self, block: int) -> bytes:
        return f"{block} {self.forks[block]}".encode().ljust(32)

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        self.asked.append(from_block)
        found = [event for event in _true(self) if event.block >= from_block]
        answer: list[Event] = self._answered("events", found)
        return answer

    def _answered(self, question: str, answer: Any) -> Any:
        self.questions.append(question)
        self.then.pop(question, lambda: None)()
        return answer


@dataclass
class _Balanced(_Chain):
    """Every question goes to another node, each some blocks behind."""

    random: Random | None = None

    def _seen(self) -> _Chain:
        behind = self.random.choice([0, 0, 1, LAG_BLOCKS - 1]) if self.random else 0
        return _Chain(self.forks[: max(1, len(self.forks) - behind)])

    def head(self) -> Head:
        return self._seen().head()

    def block_hash(self, block: int) -> bytes | None:
        return self._seen().block_hash(block)

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        return self._seen().events(task, from_block, client)


def _event(block: int, fork: str) -> Event:
    if fork.startswith("expired"):
        return RoundExpired(block=block, log_index=0, transaction=fork.encode().ljust(32), task=1, round=1)
    transaction = fork.encode().ljust(32)
    return KeyRequested(block=block, log_index=0, transaction=transaction, task=1, round=1, request=transaction)


def follow(chain: _Chain, kind: type[Event] = Event) -> EventFollower[Event]:
    return EventFollower(cast(LedgerReader, chain), 1, kind)


def _true(chain: _Chain) -> list[Event]:
    return [_event(block, fork) for block, fork in enumerate(chain.forks) if fork != "quiet"]


def test_a_reorganisation_forgets_what_it_took_and_no_more() -> None:
    chain = _Chain(["a"] * 3)
    follower = follow(chain)
    assert follower.refresh() == 0
    chain.mine("a", 2)
    assert follower.refresh() == 3
    chain.fall_back(4, "b", 3)
    assert follower.refresh() == 4
    assert list(follower.events) == _true(chain)


def test_no_more_is_read_again_than_a_node_may_lag() -> None:
    chain = _Chain(["a"] * 50)
    follower = follow(chain)
    follower.refresh()
    chain.mine("a", 5)
    assert follower.refresh() == 50
    chain.fall_back(52, "b", 5)
    assert follower.refresh() == 52
    assert chain.asked == [0, 50 - LAG_BLOCKS, 50 - LAG_BLOCKS], "from the last block that still stands"


@pytest.mark.parametrize("question", ["head", "block_hash", "events"])
@pytest.mark.parametrize("height", [1, 3, 5])
def test_a_reorganisation_between_two_questions_is_seen_at_the_latest_next_time(question: str, height: int) -> None:
    chain = _Chain(["a"] * 4)
    follower = follow(chain)
    follower.refresh()
    chain.mine("a", 2)
    chain.then[question] = lambda: chain.fall_back(height, "b", 4)
    follower.refresh()
    follower.refresh()
    assert list(follower.events) == _true(chain)


def test_a_chain_that_got_shorter() -> None:
    chain = _Chain(["a"] * 9)
    follower = follow(chain)
    follower.refresh()
    chain.fall_back(2, "a", 0)
    for _ in range(LAG_LOOKS - 1):
        assert follower.refresh() == 9, "it may be a node that is behind"
    assert follower.refresh() == 2
    assert list(follower.events) == _true(chain)
    chain.mine("a", 20)
    follower.refresh()
    chain.fall_back(3, "a", 0)
    assert follower.refresh() == 3, "no node is so far behind"


def test_nodes_of_which_each_lags_at_times_lose_nothing() -> None:
    """Every question goes to a node that may not have the last blocks yet: no event known vanishes, none is missed."""
    for seed in range(40):
        random, chain = Random(seed), _Balanced(["a"] * 3)
        chain.random = random
        follower, known = follow(chain), 0
        for _ in range(60):
            chain.mine(random.choice(["a", "a", "quiet"]), random.randrange(3))
            standing = follower.refresh()
            assert standing <= len(follower.events) >= known, "nothing was taken back"
            known = len(follower.events)
        chain.random = None
        for _ in range(2 + LAG_BLOCKS):
            chain.mine("quiet")
            follower.refresh()
        assert list(follower.events) == _true(chain)


def test_what_the_ledger_is_silent_in_costs_one_question_a_block() -> None:
    chain = _Chain(["a"] * 3)
    follower = follow(chain)
    follower.refresh()
    for _ in range(1 + LAG_BLOCKS):
        chain.mine("quiet")
        follower.refresh()
    chain.asked.clear()
    chain.questions.clear()
    for _ in range(100):
        chain.mine("quiet")
        follower.refresh()
        follower.refresh()
    assert chain.questions == ["head"] * 200 and not chain.asked
    chain.mine("a")
    follower.refresh()
    assert list(follower.events) == _true(chain)
    assert follower.head == len(chain.forks) - 1


def test_a_reorganisation_deeper_than_what_is_remembered() -> None:
    chain = _Chain(["a"] * 5)
    follower = follow(chain)
    for _ in range(MAX_CHECKPOINTS + 5):
        chain.mine("a")
        follower.refresh()
    assert len(follower._checkpoints) == MAX_CHECKPOINTS
    chain.fall_back(1, "b", 80)
    assert follower.refresh() == 1
    assert list(follower.events) == _true(chain)


def test_only_the_kind_asked_for_is_kept() -> None:
    chain = _Chain(["a", "expired", "a"])
    follower = follow(chain, RoundExpired)
    follower.refresh()
    assert list(follower.events) == [_event(1, "expired")]


def test_a_failed_look_changes_nothing() -> None:
    chain = _Chain(["a"] * 3)
    follower = follow(chain)
    follower.refresh()
    chain.fall_back(2, "b", 2)

    def fail() -> None:
        raise LedgerError("away")

    chain.then["events"] = fail
    with pytest.raises(LedgerError):
        follower.refresh()
    assert len(follower.events) == 3
    assert follower.refresh() == 2, "what the failed look found out is said by the next"
    assert list(follower.events) == _true(chain)


class _Stingy(NodeProvider):
    """Answers for at most so many blocks."""

    def __init__(self, allowed: int, refusal: Exception) -> None:
        super().__init__()
        self.allowed, self.refusal = allowed, refusal
        self.ranges: list[tuple[int, int]] = []
        self.methods: set[str] = set()

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        self.methods.add(method)
        if method == "eth_blockNumber":
            return {"jsonrpc": "2.0", "id": 1, "result": hex(999)}
        last = params[0]["toBlock"]
        first, last = int(params[0]["fromBlock"], 16), 999 if last == "latest" else int(last, 16)
        if last - first >= self.allowed:
            raise self.refusal
        self.ranges.append((first, last))
        return {"jsonrpc": "2.0", "id": 1, "result": []}


@pytest.mark.parametrize(
    "refusal",
    [
        RpcRefusedError("eth_getLogs", -32005, "query returned more than 10000 results"),
        RpcRefusedError("eth_getLogs", -32602, "block range too large"),
        AnswerTooLargeError("too large"),
    ],
)
@pytest.mark.parametrize("allowed", [1, 7, 300, 999])
def test_a_refused_range_is_split_until_it_is_answered(allowed: int, refusal: Exception) -> None:
    node = _Stingy(allowed, refusal)
    assert EthereumReader(node, LEDGER).events(1) == []
    assert node.ranges[0][0] == 0 and node.ranges[-1][1] == 999
    assert all(one[1] + 1 == other[0] for one, other in zip(node.ranges, node.ranges[1:], strict=False))
    assert node.methods == {"eth_getLogs", "eth_blockNumber"}, "never filters"


def test_one_block_that_is_refused_is_an_error() -> None:
    refusal = RpcRefusedError("eth_getLogs", -32005, "too many results")
    with pytest.raises(RpcRefusedError):
        EthereumReader(_Stingy(0, refusal), LEDGER).events(1)
