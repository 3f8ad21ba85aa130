"""How often a chain is asked for its head: once a block, and where blocks come on demand soon after each."""

from __future__ import annotations

from typing import Any, cast

import pytest

from storage.ledger.interface import Head, LedgerError, LedgerReader
from storage.ledger.polling import FASTEST_SECONDS, IDLE_SECONDS, LONGEST_SECONDS, Polling


class _Chain:
    """A block every ``pace`` seconds; ``on_demand``: only when the test makes one."""

    def __init__(self, pace: int, on_demand: bool = False) -> None:
        self.pace, self.on_demand, self.time, self.made = pace, on_demand, 100_000.0, 1_000
        self.calls: list[str] = []
        self.away = False

    def block_number(self) -> int:
        self.calls.append("number")
        return self.made if self.on_demand else int(self.time) // self.pace

    def block_timestamp(self, block: int) -> int:
        self.calls.append("timestamp")
        return block * self.pace

    def makes_blocks_on_demand(self) -> bool:
        self.calls.append("kind")
        return self.on_demand

    def head(self) -> Head:
        if self.away:
            self.calls.append("head")
            raise LedgerError("away")
        number = self.block_number()
        self.calls[-1] = "head"
        return Head(number, number.to_bytes(32), int(self.time))


def _poll(chain: _Chain, seconds: float | None = None) -> Polling:
    return Polling(cast(LedgerReader, chain), seconds, running=lambda: chain.time)


def _let_pass(chain: _Chain, polling: Polling, seconds: float, tick: float = 0.05) -> int:
    """Questions that are asked meanwhile, by three who want the head at every tick."""
    chain.calls.clear()
    for _ in range(round(seconds / tick)):
        chain.time += tick
        for _ in range(3):
            polling.head()
    return len(chain.calls)


@pytest.mark.parametrize("pace", [1, 2, 12])
def test_one_question_for_each_block_by_all_together(pace: int) -> None:
    chain = _Chain(pace)
    polling = _poll(chain)
    polling.head()
    assert chain.calls.count("timestamp") <= 4, "measured once"
    assert _let_pass(chain, polling, 20 * pace) <= 21
    assert set(chain.calls) == {"head"}


def test_a_slow_chain_is_looked_at_all_the_same() -> None:
    chain = _Chain(600)
    polling = _poll(chain)
    polling.head()
    assert _let_pass(chain, polling, 600, tick=1) >= 600 / LONGEST_SECONDS - 1


def test_a_block_on_demand_is_noticed_soon_and_an_idle_chain_left_alone() -> None:
    chain = _Chain(1, on_demand=True)
    polling = _poll(chain)
    polling.head()
    assert polling.until_due() <= FASTEST_SECONDS
    for _ in range(20):
        chain.time += 1
        chain.made += 1
        while polling.head().block < chain.made:
            chain.time += 0.01
        assert polling.until_due() <= FASTEST_SECONDS + 1e-6
    _let_pass(chain, polling, 60)
    assert _let_pass(chain, polling, 60) <= 60 / IDLE_SECONDS + 1
    chain.made += 1
    chain.time += IDLE_SECONDS
    assert polling.head().block == chain.made
    assert polling.until_due() <= FASTEST_SECONDS


def test_the_operator_decides() -> None:
    chain = _Chain(12)
    polling = _poll(chain, 60)
    polling.head()
    assert _let_pass(chain, polling, 600, tick=1) == 10


def test_time_runs_on_between_two_questions() -> None:
    chain = _Chain(12)
    polling = _poll(chain)
    assert polling.now() == 0
    begun = polling.head()
    chain.time += 7.5
    assert polling.head() == Head(begun.block, begun.hash, begun.now + 7)
    assert polling.now() == begun.now + 7


def test_an_endpoint_that_is_away_is_left_alone_as_long() -> None:
    chain = _Chain(12)
    polling = _poll(chain)
    polling.head()
    chain.away = True
    chain.time += 12
    with pytest.raises(LedgerError):
        polling.head()
    chain.calls.clear()
    assert polling.until_due() > 11
    polling.head()
    assert chain.calls == []


def test_a_pace_that_cannot_be_measured_now_is_measured_later(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = _Chain(12)
    polling = _poll(chain)

    def fail(*_: Any) -> int:
        raise LedgerError("no such block")

    with monkeypatch.context() as patched:
        patched.setattr(chain, "block_timestamp", fail)
        polling.head()
        assert polling.until_due() <= FASTEST_SECONDS
    polling.ask()
    assert polling.until_due() == 12
