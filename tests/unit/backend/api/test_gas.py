"""Gas of rounds: from receipts, each read once, by nobody who waits for an answer; what is not known is said."""

from __future__ import annotations

import threading
from unittest import mock

from backend.api.app import ApiOptions
from backend.api.gas import AGAIN_SECONDS, GasBook, gas_of
from protocol.errors import HearthError
from protocol.identifiers import Digest
from protocol.messages.chain import Event
from protocol.task.round_facts import RoundFacts
from storage.ledger.interface import LedgerError
from tests.unit.backend.api.scene_api import Api, played
from tests.unit.backend.api.serving import PATIENCE, serving

GAS = 1_000  # and what its first byte says


def gas(transaction: Digest) -> int:
    return GAS + transaction[0]


def steps(facts: RoundFacts) -> list[Event]:
    return [event for event in (facts.opened, facts.batched, facts.requested, facts.ended) if event is not None]


def facts() -> RoundFacts:
    found: RoundFacts = played().scene.facts(1)
    return found


class Chain:
    """``asked``: for which receipts, in that order. ``away``: it has none."""

    def __init__(self) -> None:
        self.asked: list[Digest] = []
        self.away: HearthError | None = None
        self.now = 0.0
        self.book = GasBook(self.read, lambda: self.now)

    def read(self, transaction: Digest) -> int:
        self.asked.append(transaction)
        if self.away is not None:
            raise self.away
        return gas(transaction)

    def settle(self) -> None:
        """Everything that was asked for is read."""
        for thread in threading.enumerate():
            if thread.name == "gas":
                thread.join(PATIENCE)


def test_each_receipt_is_read_once_and_nobody_waits() -> None:
    chain = Chain()
    first = gas_of(chain.book, facts(), 3)
    assert (first.total, first.per_update, first.lacking) == (None, None, "awaited")
    chain.settle()
    news = chain.book.news(1)
    for _ in range(3):
        found = gas_of(chain.book, facts(), 3)
    chain.settle()
    used = [gas(event.transaction) for event in steps(facts())]
    assert [found.opened, found.batched, found.requested, found.ended] == used and found.lacking is None
    assert (found.total, found.per_update, found.direct) == (sum(used), round(sum(used) / 3), None)
    assert sorted(chain.asked) == sorted({event.transaction for event in steps(facts())})
    assert chain.book.news(1) == news == len(used) and chain.book.news(2) == 0


def test_a_receipt_that_is_not_there_is_asked_for_again_later() -> None:
    chain = Chain()
    chain.away = LedgerError("no receipt")
    gas_of(chain.book, facts(), 3)
    chain.settle()
    assert gas_of(chain.book, facts(), 3).lacking == "missing"
    asked, chain.away = len(chain.asked), None
    chain.settle()
    assert len(chain.asked) == asked, "not at every look"
    chain.now += AGAIN_SECONDS
    assert gas_of(chain.book, facts(), 3).lacking == "awaited"
    chain.settle()
    assert gas_of(chain.book, facts(), 3).lacking is None


def test_without_an_accepted_update_there_is_no_gas_for_each() -> None:
    chain = Chain()
    gas_of(chain.book, facts(), 0)
    chain.settle()
    for accepted in (0, None):
        assert gas_of(chain.book, facts(), accepted).per_update is None


def test_what_is_remembered_and_waited_for_is_bounded() -> None:
    chain, (opened, batched, *_) = Chain(), steps(facts())
    with mock.patch("backend.api.gas.MOST_KEPT", 1):
        for event in (opened, batched, opened):
            chain.book.used(event)
            chain.settle()
        assert chain.book.used(opened) == gas(opened.transaction)
    assert len(chain.asked) == 3, "the first one was forgotten, and read again"
    with mock.patch("backend.api.gas.MOST_WAITING", 0):
        assert chain.book.used(batched) == "awaited"
        chain.settle()
    assert len(chain.asked) == 3


def test_a_round_has_its_gas_and_a_stream_says_when_it_is_known() -> None:
    chain = Chain()
    wait = threading.Event()

    def read(transaction: Digest) -> int:
        assert wait.wait(PATIENCE)
        return chain.read(transaction)

    api = Api(played().scene, ApiOptions(gas=read))
    with serving(api.app) as server:
        stream = server.stream("/api/v1/tasks/1/events")
        stream.until(b"event: state\n")
        client = api.client  # of another application, whose receipts are read for themselves
        assert client.get("/api/v1/tasks/1/rounds/1").json()["gas"]["lacking"] == "awaited"
        wait.set()
        chain.settle()
        found = client.get("/api/v1/tasks/1/rounds/1").json()["gas"]
        assert found["total"] == sum(gas(event.transaction) for event in steps(facts()))
        assert client.get("/api/v1/tasks/1/rounds").json()["items"][0]["gas"] == found
        with stream.opened:
            server.stream("/api/v1/tasks/1/rounds").until(b"awaited")
            stream.until(b"event: state\n")


def test_a_server_that_reads_no_receipts_says_null() -> None:
    assert played().client.get("/api/v1/tasks/1/rounds/1").json()["gas"] is None
