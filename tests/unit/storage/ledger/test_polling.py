"""How often a chain is asked for its head: once a block, and where blocks come on demand more often after each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from protocol.task.margins import STRETCHES
from storage.ledger.interface import Head, LedgerError, LedgerReader
from storage.ledger.polling import BUSY_SECONDS, FASTEST_SECONDS, IDLE_SECONDS, LONGEST_SECONDS, REGULAR_GAPS, Polling


class _Chain:
    """A block every ``pace`` seconds; ``on_demand``: only when the test makes one, which is as if for development."""

    def __init__(self, pace: float, on_demand: bool = False, for_development: bool = False) -> None:
        self.pace, self.on_demand, self.time = pace, on_demand, 100_000.0
        self.is_for_development = on_demand or for_development
        self.blocks = [int(self.time)] * 1_000  # timestamps of those made on demand
        self.calls: list[str] = []
        self.away = False

    def block_number(self) -> int:
        self.calls.append("number")
        return self._last()

    def _last(self) -> int:
        return len(self.blocks) - 1 if self.on_demand else int(self.time / self.pace)

    def make(self) -> None:
        self.blocks.append(int(self.time))

    def block_timestamp(self, block: int) -> int:
        self.calls.append("timestamp")
        return self._time_of(block)

    def _time_of(self, block: int) -> int:
        return self.blocks[block] if self.on_demand else int(block * self.pace)

    def makes_blocks_on_demand(self) -> bool:
        self.calls.append("kind")
        return self.is_for_development

    def head(self) -> Head:
        if self.away:
            self.calls.append("head")
            raise LedgerError("away")
        self.calls.append("head")
        number = self._last()
        return Head(number, number.to_bytes(32), int(self.time), timestamp=self._time_of(number))


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
    assert chain.calls.count("timestamp") == STRETCHES + 1, "measured once"
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
    for _ in range(10):
        for pause in (0.0, 0.4, 1, 3, BUSY_SECONDS - FASTEST_SECONDS):
            chain.time += pause
            chain.make()
            made = chain.time
            while polling.head().block < chain._last():
                chain.time += 0.01
            assert chain.time <= made + FASTEST_SECONDS + 0.011
            assert polling.until_due() <= FASTEST_SECONDS + 1e-6
    assert _let_pass(chain, polling, BUSY_SECONDS) <= BUSY_SECONDS / FASTEST_SECONDS + 1
    assert _let_pass(chain, polling, 60) <= 60 / IDLE_SECONDS + 1
    chain.make()
    chain.time += IDLE_SECONDS
    assert polling.head().block == chain._last()
    assert polling.until_due() <= FASTEST_SECONDS


@pytest.mark.parametrize("pace", [1, 2, 2.4, 12])
def test_a_chain_for_development_with_regular_blocks_is_asked_once_for_each(pace: float) -> None:
    chain = _Chain(pace, for_development=True)
    polling = _poll(chain)
    polling.head()
    assert chain.calls.count("timestamp") <= REGULAR_GAPS, "measured once"
    assert _let_pass(chain, polling, 40 * pace) <= 41
    assert set(chain.calls) == {"head"}


def test_a_pace_is_learnt_while_one_looks_and_forgotten_when_no_block_comes() -> None:
    chain = _Chain(1, on_demand=True)
    polling = _poll(chain)
    polling.head()
    for _ in range(REGULAR_GAPS):
        assert polling.until_due() <= FASTEST_SECONDS
        chain.time += 2
        chain.make()
        polling.head()
    assert polling.until_due() == 2
    assert _let_pass(chain, polling, 60) <= 60 / IDLE_SECONDS
    chain.make()
    chain.time += IDLE_SECONDS
    polling.head()
    assert polling.until_due() <= FASTEST_SECONDS, "no pace any more"


def test_blocks_that_the_chain_takes_back_are_no_pace() -> None:
    chain = _Chain(1, on_demand=True)
    polling = _poll(chain)
    for _ in range(REGULAR_GAPS + 1):
        chain.time += 2
        chain.make()
    polling.head()
    assert polling.until_due() == 2
    del chain.blocks[-2:]
    chain.time += 2
    assert polling.head().block == chain._last()
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
    assert polling.head() == replace(begun, now=begun.now + 7)
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
