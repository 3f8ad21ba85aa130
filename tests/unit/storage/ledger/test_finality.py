"""Confirmed by a tag of the chain's node: later than by a number of blocks, never earlier, and nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from backend.key_authority.followed import FollowedTasks
from backend.start_checks import StartError, check_tag
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.interface import Head, LedgerError, LedgerReader
from storage.ledger.polling import Polling
from tests.unit.backend.rounds.scene_server import Scene

LEDGER = bytes(range(1, 21))


class Node:
    """Blocks up to ``latest``; the one with the tag ``safe`` is ``safe``, or there is none."""

    bytes_sent = 0

    def __init__(self, latest: int, safe: int | None) -> None:
        self.latest, self.safe, self.asked, self.called = latest, safe, list[str](), list[str]()

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        if method == "eth_blockNumber":
            return {"result": hex(self.latest)}
        if method == "eth_call":
            self.called.append(params[1])
            raise LedgerError("not needed")
        assert method == "eth_getBlockByNumber"
        self.asked.append(params[0])
        number = {"latest": self.latest, "safe": self.safe, "pending": None}.get(params[0], params[0])
        if number is None:
            return {"result": None}
        head = {"number": hex(number), "hash": "0x" + f"{number:064x}", "timestamp": hex(12 * number)}
        return {"result": head}

    def close(self) -> None: ...


def reader(node: Node, tag: str | None) -> EthereumReader:
    return EthereumReader(cast(Any, node), LEDGER, chain_id=1, confirm_by=tag)


def test_the_tag_is_asked_for_only_where_it_is_wanted() -> None:
    node = Node(100, 60)
    assert reader(node, None).head().tagged is None and "safe" not in node.asked
    assert reader(node, "safe").head().tagged == 60


@pytest.mark.parametrize(
    ("tagged", "confirmations", "deep"),
    [(None, 3, 97), (60, 3, 60), (99, 3, 97), (100, 3, 97), (60, 0, 100), (None, 0, 100)],
)
def test_a_tag_makes_nothing_confirmed_earlier(tagged: int | None, confirmations: int, deep: int) -> None:
    """Some nodes give every block every tag."""
    assert Head(100, b"", 0, tagged=tagged).deep(confirmations) == deep


@pytest.mark.parametrize(("tag", "block"), [(None, 97), ("safe", 60)])
def test_an_authority_reads_a_round_as_of_the_tagged_block(tag: str | None, block: int) -> None:
    node = Node(100, 60)
    with pytest.raises(LedgerError):
        reader(node, tag).round(1, 1, 3)
    assert node.called == [hex(block)]


def test_an_endpoint_without_the_tag_is_said_at_the_start() -> None:
    with pytest.raises(StartError, match="no safe block, and --confirm-by"):
        check_tag(reader(Node(100, None), "safe"), "safe")
    check_tag(reader(Node(100, 60), "safe"), "safe")
    check_tag(reader(Node(100, None), None), None)


@dataclass
class Tagged:
    """The scene's ledger behind a node whose tag stays where it is put."""

    inner: Any
    tagged: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def head(self) -> Head:
        head: Head = self.inner.head()
        return replace(head, tagged=self.tagged)


def test_a_server_signs_nothing_of_a_round_before_the_tag_has_reached_it() -> None:
    scene = Scene(confirmations=1)
    ledger = scene.ledger = Tagged(scene.ledger, 10**6)
    scene.start()
    scene.until(lambda: scene.driver._tasks[1].served)
    scene.enrol()
    scene.until(lambda: scene.state.current)
    opened = scene.facts(1).opened
    ledger.tagged = opened.block - 1
    for _ in range(5):
        scene.chain.pass_time(1)
        scene.step()
    assert scene.ledger.block_number() > opened.block + 1, "deep enough by its number"
    assert scene.desk.next_round(0) is None
    ledger.tagged = opened.block
    scene.chain.pass_time(1)
    scene.step()
    assert scene.desk.next_round(0) is not None


def test_an_authority_looks_again_whenever_the_tag_has_moved() -> None:
    """What it could not do at one moment it tries at the next, so a moment must not stay the same."""
    scene = Scene(confirmations=1)
    ledger = cast(LedgerReader, tagged := Tagged(scene.ledger))
    for _ in range(4):
        scene.chain.pass_time(1)
    running = iter(range(0, 1_000_000, 100))
    followed, moments = FollowedTasks(cast(Any, ledger), Polling(ledger, 1.0, running.__next__)), []
    posted = scene.ledger.events(1)[0].block
    for block in (posted - 1, posted - 1, posted, posted + 1):
        tagged.tagged = block
        followed.look()
        moments.append(followed.moment(1, 1))
    before, again, reached, later = moments
    assert before == again != reached == later
    assert followed.deep(1) == min(posted + 1, followed.head - 1)
