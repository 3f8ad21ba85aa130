"""What time it is on a chain, whatever this machine believes: its blocks, and what has passed since they came."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.ledger.ethereum.block_clock import KEPT_SIGHTS, QUIET_SECONDS, TOLERANCE_SECONDS, BlockClock

START, HOUR, DAY = 1_700_000_000, 3_600, 24 * 3_600


@dataclass
class Machine:
    """Beside a chain: ``time`` is the chain's, ``off`` by how much this machine's own clock is ahead of it."""

    time: float = float(START)
    off: float = 0.0
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.booted = self.time - 1_000.25
        self.clock = BlockClock(lambda: self.time - self.booted, lambda: self.time + self.off, self.told.append)
        self.blocks = 0

    def block(self, late: float = 0.0, ahead: int = 0) -> int:
        """Of this moment, seen ``late`` seconds afterwards; dated ``ahead`` of it. Its timestamp."""
        timestamp = int(self.time) + ahead
        self.blocks += 1
        self.time += late
        self.see(self.blocks, timestamp)
        return timestamp

    def see(self, number: int, timestamp: int) -> None:
        self.clock.see(number.to_bytes(32, "big"), timestamp)


@pytest.mark.parametrize("off", [0, HOUR, -HOUR, DAY, -DAY])
@pytest.mark.parametrize("interval", [1, 2, 12])
def test_it_follows_regular_blocks_whatever_the_machine_believes(interval: int, off: int) -> None:
    machine = Machine(off=off)
    for _ in range(50):
        machine.block(late=0.5)
        for _ in range(interval):
            assert machine.time - 2.5 <= machine.clock.now() <= machine.time
            machine.time += 1 - 0.5 / interval


def test_a_deadline_comes_without_a_block() -> None:
    """Who waits for one then sends the transaction that makes the next block."""
    machine = Machine()
    due = machine.block() + 60
    machine.time += 59
    assert machine.clock.now() < due
    machine.time += 2
    assert machine.clock.now() >= due


def test_a_chain_that_idled_is_asked_for_its_nodes_time() -> None:
    machine = Machine()
    machine.see(1, START - DAY)
    assert machine.clock.now() == START - DAY
    assert machine.clock.wants_node_time(), "the first block may be of any age"
    machine.clock.hear(START)
    assert machine.clock.now() == START
    machine.time += 100
    assert machine.clock.now() == START + 100


def test_a_node_is_asked_while_no_block_comes_and_no_more_often_than_that() -> None:
    machine = Machine()
    asked = 0
    for second in range(600):
        if second % 12 == 0 and second < 300:
            machine.block()
        if machine.clock.wants_node_time():
            asked += 1
            machine.clock.hear(None)
        machine.time += 1
    assert asked == 1 + int((600 - 288) // QUIET_SECONDS)


def test_a_node_without_a_time_of_its_own_leaves_it_at_the_blocks() -> None:
    machine = Machine()
    machine.see(1, START - DAY)
    machine.clock.hear(None)
    machine.time += 60
    assert machine.clock.now() == START - DAY + 60
    machine.see(2, START)
    assert machine.clock.now() == START


def test_a_clock_that_is_moved_on_is_followed_with_the_next_block() -> None:
    machine = Machine()
    machine.block()
    machine.see(9, START + DAY)
    assert machine.clock.now() == START + DAY


def test_a_block_that_was_dated_ahead_is_forgotten_after_a_few_more() -> None:
    machine = Machine()
    dated = machine.block(ahead=15)
    assert machine.clock.now() == dated, "no later block is earlier"
    for _ in range(KEPT_SIGHTS):
        machine.time += 12
        machine.block()
    assert machine.clock.now() == int(machine.time)


def test_nodes_that_take_turns_do_not_slow_it_down() -> None:
    machine = Machine()
    first, second = machine.block(), machine.block()
    for _ in range(50):
        machine.time += 1
        for number, timestamp in ((1, first), (2, second)):
            machine.see(number, timestamp)
            assert machine.clock.now() == int(machine.time)


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 30), st.floats(0, 8), st.booleans(), st.integers(-10 * DAY, 10 * DAY)),
        min_size=1,
        max_size=40,
    )
)
def test_it_is_never_ahead_of_the_chain_and_late_by_what_the_last_blocks_were_at_most(
    steps: list[tuple[float, float, bool, int]],
) -> None:
    """Blocks come when they come and are seen late; the machine's own clock steps wherever it likes."""
    machine = Machine()
    machine.block()
    for pause, late, mined, machine.off in steps:
        machine.time += pause
        latest = machine.block(late) if mined else 0
        now = machine.clock.now()
        assert latest <= now <= machine.time + 1e-3
        assert now >= machine.time - 8 - 2, "as late as the block was seen, and the part of a second it does not show"


@pytest.mark.parametrize(
    ("off", "said"),
    [
        (HOUR, "this machine's clock is 3,600 s ahead of the chain's"),
        (-DAY, "this machine's clock is 86,400 s behind the chain's"),
    ],
)
def test_a_clock_that_is_off_is_said_once(off: int, said: str) -> None:
    machine = Machine(off=off)
    for _ in range(5):
        machine.block()
        machine.clock.now()
        machine.time += 12
    (line,) = machine.told
    assert line.startswith(said) and "\n" not in line


def test_a_clock_that_steps_later_on_is_said_too() -> None:
    machine = Machine()
    for _ in range(5):
        machine.block()
        machine.clock.now()
        machine.time += 12
        assert not machine.told
    machine.off = HOUR
    machine.clock.now()
    assert len(machine.told) == 1


@pytest.mark.parametrize("off", [0, TOLERANCE_SECONDS - 5, 5 - TOLERANCE_SECONDS])
def test_a_clock_that_is_right_is_not_spoken_of(off: int) -> None:
    machine = Machine(off=off)
    for _ in range(5):
        machine.block(late=2)
        machine.clock.now()
        machine.time += 12
    assert not machine.told


def test_of_a_chain_that_may_have_idled_nothing_is_said() -> None:
    machine = Machine()
    machine.see(1, START - DAY)
    machine.clock.hear(None)
    machine.clock.now()
    assert not machine.told
