"""What an appliance drew between two reports: silence, gaps, wrong clocks and counters that go back."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.data.intake import holding
from client_agent.data.intake.findings import Measurement
from client_agent.data.intake.holding import HELD_AVAILABLE_SECONDS, HELD_SECONDS, Held, Row, Step
from client_agent.data.tracebase import by_minute
from tests.unit.client_agent.data.intake.scene_plugs import DAY, HOUR, NOW, watt_hours, watts


def _told(*readings: tuple[int, Measurement]) -> list[Step]:
    """Steps of readings, each with the second of its arrival."""
    held, steps = Held(), list[Step]()
    for now, one in readings:
        step = (holding.power if one.quantity == "power" else holding.energy)(held, one, now)
        held = step.held
        steps.append(step)
    return steps


def _rows(steps: list[Step]) -> list[Row]:
    return [step.row for step in steps if step.row is not None]


def _why(steps: list[Step]) -> list[str]:
    return [why.value for step in steps for why in step.why]


def test_a_reading_is_stored_when_it_changes_and_now_and_then() -> None:
    steps = _told(*((NOW + second, watts(8.0)) for second in range(0, 601, 10)), (NOW + 610, watts(9.0)))
    assert _rows(steps) == [(NOW, 8.0), (NOW + 300, 8.0), (NOW + 600, 8.0), (NOW + 610, 9.0)]
    assert steps[-2].held.seen == NOW + 600


def test_a_gap_begins_once() -> None:
    steps = _told((NOW, watts(8.0)), (NOW + 1, watts(None)), (NOW + 500, watts(None)), (NOW + 501, watts(8.0)))
    assert _rows(steps) == [(NOW, 8.0), (NOW + 1, None), (NOW + 501, 8.0)]
    assert holding.gap(Held(), NOW).row is None
    at_once = holding.power(holding.gap(steps[0].held, NOW).held, watts(7.0), NOW)
    assert (at_once.row, at_once.why) == ((NOW + 1, 7.0), ()), "a plug that is back in the same second"
    assert holding.gap(steps[0].held, NOW).row == (NOW + 1, None), "not over the reading of the same second"


def test_a_message_that_comes_twice_counts_once() -> None:
    steps = _told((NOW, watts(8.0, stamp="a")), (NOW + 400, watts(8.0, stamp="a")), (NOW + 401, watts(8.0, stamp="b")))
    assert _rows(steps) == [(NOW, 8.0), (NOW + 401, 8.0)]
    assert _why(steps) == ["duplicate"]


def test_a_message_that_another_overtook_is_late() -> None:
    steps = _told((NOW, watts(8.0, at=NOW)), (NOW + 60, watts(9.0, at=NOW + 60)), (NOW + 61, watts(7.0, at=NOW + 30)))
    assert (_rows(steps), _why(steps)) == ([(NOW, 8.0), (NOW + 60, 9.0)], ["late"])
    assert _told((NOW, watts(8.0, at=NOW - 7200)))[0].row == (NOW, 8.0), "a clock that is behind is only behind"


@pytest.mark.parametrize("wrong", [0.0, 12_345.0, 946_684_800.0])
def test_a_plug_whose_clock_was_not_set_is_read_by_ours(wrong: float) -> None:
    steps = _told((NOW, watts(8.0, at=wrong)), (NOW + 10, watts(9.0, at=NOW + 10)), (NOW + 20, watts(5.0, at=NOW + 20)))
    assert _rows(steps) == [(NOW, 8.0), (NOW + 10, 9.0), (NOW + 20, 5.0)]
    assert _why(steps) == ["clock"]


def test_a_plugs_clock_that_jumps_back_is_believed_again() -> None:
    future = NOW + 400 * DAY
    steps = _told(
        (NOW, watts(8.0, at=future)), (NOW + 10, watts(9.0, at=NOW + 10)), (NOW + 20, watts(5.0, at=NOW + 20))
    )
    assert (_rows(steps)[1:], _why(steps)) == ([(NOW + 10, 9.0), (NOW + 20, 5.0)], ["clock"])


def test_this_machine_before_its_clock_is_set() -> None:
    steps = _told((5, watts(8.0)), (NOW, watts(9.0)))
    assert (_rows(steps), _why(steps)) == ([(NOW, 9.0)], ["clock"])


def test_this_machines_clock_that_was_ahead() -> None:
    slipped = _told((NOW, watts(8.0)), (NOW - 5, watts(9.0)), (NOW - 4, watts(7.0)))
    assert (_rows(slipped), _why(slipped)) == ([(NOW, 8.0), (NOW, 9.0), (NOW, 7.0)], [])
    a_little = _told((NOW, watts(8.0)), (NOW - 60, watts(9.0)), (NOW + 1, watts(7.0)))
    assert (_rows(a_little), _why(a_little)) == ([(NOW, 8.0), (NOW + 1, 7.0)], ["clock"])
    a_year = _told((NOW + 365 * DAY, watts(8.0)), (NOW, watts(9.0)))
    assert (a_year[1].drop_after, a_year[1].row, _why(a_year)) == (NOW, (NOW, 9.0), ["clock"])
    assert _told((NOW + DAY, watts(9.0)), (NOW, watts(9.0)))[1].row == (NOW, 9.0), "the same watts, at another time"


def test_a_counter_that_goes_back_was_reset() -> None:
    steps = _told(
        *((NOW + HOUR * place, watt_hours(value)) for place, value in enumerate((900, 950, 20, 30, 2**31, 40)))
    )
    assert [step.used for step in steps] == [0.0, 50.0, 0.0, 10.0, 0.0, 0.0]
    assert _why(steps) == ["counter reset", "spike", "counter reset"]


def _series(rows: list[Row], since: int, until: int, alive: int | None = None, tells: bool = False) -> list[Row]:
    found = holding.series(rows, since, until, alive, tells)
    assert found.times.tolist() == sorted(set(found.times.tolist()))
    return [
        (at, None if value != value else value) for at, value in zip(found.times.tolist(), found.watts, strict=True)
    ]


def test_silence_is_a_constant_value_for_as_long_as_the_plug_can_be_relied_on() -> None:
    rows: list[Row] = [(NOW, 8.0), (NOW + 30 * HOUR, 9.0)]
    assert _series(rows, NOW, NOW + 40 * HOUR) == [
        (NOW, 8.0),
        (NOW + HELD_SECONDS, None),
        (NOW + 30 * HOUR, 9.0),
        (NOW + 30 * HOUR + HELD_SECONDS, None),
    ]
    assert _series(rows, NOW, NOW + 31 * HOUR, tells=True) == [
        (NOW, 8.0),
        (NOW + HELD_AVAILABLE_SECONDS, None),
        (NOW + 30 * HOUR, 9.0),
    ]
    assert _series([(NOW, 8.0), (NOW + 7 * HOUR, 9.0)], NOW, NOW + 7 * HOUR + 1, tells=True) == [
        (NOW, 8.0),
        (NOW + 7 * HOUR, 9.0),
    ]


def test_the_last_reading_holds_until_nobody_listens_any_more() -> None:
    assert _series([(NOW, 8.0)], NOW, NOW + HOUR, NOW + 60, True) == [(NOW, 8.0), (NOW + 61, None)]
    assert _series([(NOW, 8.0)], NOW + 10, NOW + 50, NOW + 60, True) == [(NOW + 10, 8.0)], "what held at the start"
    assert _series([], NOW, NOW + HOUR) == []


def test_minutes_of_a_plug_that_reports_every_ten_seconds_are_those_of_the_data_set() -> None:
    midnight = NOW // DAY * DAY
    day = datetime.fromtimestamp(midnight, UTC).date()
    readings = np.random.Generator(np.random.PCG64(1)).integers(0, 3000, DAY // 10).tolist()
    lines = "".join(
        f"{day:%d/%m/%Y} {datetime.fromtimestamp(midnight + 10 * place, UTC):%H:%M:%S};{value};{value}\n"
        for place, value in enumerate(readings)
    )
    rows: list[Row] = [(midnight + 10 * place, float(value)) for place, value in enumerate(readings)]
    found = holding.minutes(holding.series(rows, midnight, midnight + DAY, None, False), midnight, midnight + DAY)
    assert found.tolist() == by_minute(lines.encode(), day).tolist()


def test_a_minute_needs_half_of_its_seconds() -> None:
    begin = NOW // 60 * 60
    rows: list[Row] = [(begin, 10.0), (begin + 30, None), (begin + 91, 20.0), (begin + 121, 40.0)]
    found = holding.minutes(holding.series(rows, begin, begin + 180, None, False), begin, begin + 180)
    assert found[:, 0].tolist() == [10.0, 10.0, 10.0]
    assert np.isnan(found[:, 1]).all()
    assert found[:, 2].tolist() == [np.float32((20 + 59 * 40) / 60), 40.0, 20.0]
    assert holding.minutes(holding.series(rows, begin, begin + 200, None, False), begin + 1, begin + 179).shape == (
        3,
        1,
    )


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.one_of(st.none(), st.floats(0, 25_000))), max_size=30),
    st.integers(-100, 20_000),
    st.integers(0, 20_000),
)
def test_no_minute_is_out_of_the_range_of_its_readings(
    steps: list[tuple[int, float | None]], since: int, length: int
) -> None:
    times = np.cumsum([step for step, _ in steps]).tolist()
    rows: list[Row] = [(NOW + at, value) for at, (_, value) in zip(times, steps, strict=True)]
    begin, until = NOW + since, NOW + since + length
    found = holding.minutes(holding.series(rows, begin, until, None, True), begin, until)
    values = [value for _, value in rows if value is not None]
    known = found[:, ~np.isnan(found[0])].astype(np.float64)
    assert known.size == 0 or (known.min() >= min(values) - 0.01 and known.max() <= max(values) + 0.01)
    assert (known[1] >= known[0] - 0.01).all() and (known[0] >= known[2] - 0.01).all()
