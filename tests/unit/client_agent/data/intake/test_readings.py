"""A household's readings: what is stored is there after anything, nothing is used that its owner did not allow."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from client_agent.data.intake.findings import (
    Availability,
    Description,
    Finding,
    Measurement,
    Quantity,
    Refusal,
    Refused,
)
from client_agent.data.intake.opening import VERSION, ReadingsError, ReadingsFullError
from client_agent.data.intake.plugs import KINDS, Limits, Purpose
from client_agent.data.intake.readings import READINGS, Readings
from protocol.errors import MalformedError
from tests.unit.client_agent.data.intake.scene_plugs import DAY, HOUR, NOW, watt_hours, watts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "household" / READINGS


@pytest.fixture
def readings(path: Path) -> Iterator[Readings]:
    with Readings(path) as found:
        yield found


def _add(readings: Readings, *findings: Finding, now: int = NOW) -> None:
    readings.add([(now, one) for one in findings], now)


def _rows(readings: Readings, plug: int = 1, since: int = NOW - DAY, until: int = NOW + DAY) -> list[tuple[int, float]]:
    found = readings.series(plug, since, until)
    return list(zip(found.times.tolist(), np.nan_to_num(found.watts, nan=-1.0).tolist(), strict=True))


def test_a_plug_as_its_owner_sees_it(readings: Readings) -> None:
    _add(
        readings,
        Availability("zigbee2mqtt:kitchen/washer", True),
        Description("zigbee2mqtt:kitchen/washer", "kitchen washer", "Shelly Europe", "M1"),
        Measurement("zigbee2mqtt:kitchen/washer", "l1", Quantity.POWER, 61.2, "kW"),
        Measurement("zigbee2mqtt:kitchen/washer", "l1", Quantity.ENERGY, 5.0, "kWh"),
        Description("zigbee2mqtt:kitchen/washer", model="M2"),
    )
    (plug,) = readings.appliances()
    assert (plug.number, plug.source, plug.name) == (1, "zigbee2mqtt:kitchen/washer/l1", "kitchen washer (l1)")
    assert (plug.manufacturer, plug.model, plug.power_unit, plug.energy_unit) == ("Shelly Europe", "M2", "kW", "kWh")
    assert (plug.available, plug.watts, plug.seen) == (True, 61.2, NOW)
    assert (plug.kind, plug.brand, plug.purposes, plug.same_as) == (None, "", frozenset(), None)
    assert (plug.suggested_kind, plug.suggested_brand) == ("Washingmachine", ""), "the plug's maker is not the brand"


def test_a_device_without_power_makes_no_plug(readings: Readings) -> None:
    _add(readings, Availability("zigbee2mqtt:lamp", True), Description("zigbee2mqtt:lamp", "lamp"))
    assert readings.appliances() == ()


def test_what_was_stored_is_there_when_it_is_opened_again(path: Path) -> None:
    with Readings(path) as first:
        _add(first, watts(8.0), Refused(Refusal.SPIKE, count=3))
        first.assign(1, "Lamp", "Maker", {Purpose.NEXT_HOUR}, NOW)
        before = first.appliances()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with Readings(path) as second:
        assert second.appliances() == before
        assert second.refused() == {"spike": 3}
        assert _rows(second) == [(NOW, 8.0), (NOW + 1, -1.0)]


def test_an_unavailable_plug_is_a_gap_and_a_silent_one_is_not(readings: Readings) -> None:
    _add(readings, Availability("test:plug", True), watts(8.0))
    _add(readings, now=NOW + 5 * HOUR)  # somebody listened, and nothing was said
    assert _rows(readings) == [(NOW, 8.0), (NOW + 5 * HOUR + 1, -1.0)]
    _add(readings, Availability("test:plug", False), now=NOW + 6 * HOUR)
    _add(readings, Availability("test:plug", True), now=NOW + 7 * HOUR)
    assert _rows(readings) == [(NOW, 8.0), (NOW + 6 * HOUR, -1.0)], "until it says what it draws"
    assert readings.appliances()[0].watts is None


def test_while_nobody_listened_nothing_is_known(readings: Readings) -> None:
    _add(readings, Availability("test:plug", True), watts(8.0))
    _add(readings, now=NOW + 60)
    readings.begin(NOW + 10 * HOUR)  # after a kill
    assert _rows(readings) == [(NOW, 8.0), (NOW + 60, -1.0)]
    _add(readings, watts(9.0), now=NOW + 10 * HOUR + 5)
    readings.interrupted(NOW + 11 * HOUR)
    assert _rows(readings)[2:] == [(NOW + 10 * HOUR + 5, 9.0), (NOW + 11 * HOUR, -1.0)]


def test_energy_by_the_hour(readings: Readings) -> None:
    for hour, value in enumerate((1000.0, 1100.0, 1250.0, 10.0, 30.0)):
        _add(readings, watt_hours(value), now=NOW + hour * HOUR)
    assert readings.energy(1, NOW, NOW + 5 * HOUR) == 270.0
    assert readings.energy(1, NOW + HOUR, NOW + 2 * HOUR) == 100.0
    assert readings.refused() == {"counter reset": 1}


def test_every_switch_is_off_until_its_owner_says_so(readings: Readings) -> None:
    _add(readings, watts(8.0))
    with pytest.raises(MalformedError, match="which appliance"):
        readings.switch(1, Purpose.NEXT_HOUR, True)
    readings.assign(1, "Lamp", " Maker ", (), NOW)
    assert readings.appliances()[0].purposes == frozenset()
    readings.switch(1, Purpose.NEXT_HOUR, True)
    readings.switch(1, Purpose.TYPE_HOUR, True)
    readings.switch(1, Purpose.TYPE_HOUR, False)
    assert readings.appliances()[0].purposes == {Purpose.NEXT_HOUR}
    assert (readings.appliances()[0].kind, readings.appliances()[0].brand) == ("Lamp", "Maker")
    readings.unassign(1)
    assert (readings.appliances()[0].kind, readings.appliances()[0].purposes) == (None, frozenset())


def test_a_change_that_fails_changes_nothing(readings: Readings) -> None:
    _add(readings, watts(8.0))
    with pytest.raises(AttributeError):
        readings.assign(1, "Lamp", "", ["no purpose"], NOW)  # type: ignore[list-item]
    assert readings.appliances()[0].kind is None


def test_words_that_no_owner_can_mean(readings: Readings) -> None:
    _add(readings, watts(8.0))
    for kind, brand in (("Toaster", ""), ("lamp", ""), ("Lamp", "x" * 65), ("Lamp", "a\nb")):
        with pytest.raises(MalformedError):
            readings.assign(1, kind, brand, (), NOW)
    for number in (0, 2, -1, 2**70):
        for call in (readings.forget, readings.unassign, lambda one: readings.series(one, 0, 1)):
            with pytest.raises(MalformedError, match="no plug"):
                call(number)
    assert KINDS[-1] == "Other"


def test_plugs_are_bounded(path: Path) -> None:
    with Readings(path, Limits(max_plugs=2)) as readings:
        _add(readings, *(watts(8.0, f"test:{place}") for place in range(5)))
        assert len(readings.appliances()) == 2
        assert readings.refused() == {"too many plugs": 3}


def test_old_readings_go(path: Path) -> None:
    with Readings(path, Limits(keep_days=2)) as readings:
        for hour in range(0, 96, 6):
            _add(readings, watts(float(hour)), watt_hours(float(hour)), now=NOW + hour * HOUR)
        readings.tidy(NOW + 96 * HOUR)
        assert _rows(readings, until=NOW + 96 * HOUR)[0] == (NOW + 48 * HOUR, 48.0)
        assert readings.energy(1, 0, NOW + 96 * HOUR) == 96 - 6 - 48 + 6


def test_a_clock_that_jumps_ahead_for_an_hour_does_not_cost_everything(path: Path) -> None:
    with Readings(path, Limits(keep_days=10)) as readings:
        for day in range(9):
            _add(readings, watts(float(day)), now=NOW + day * DAY)
        readings.tidy(NOW + 9 * DAY)
        readings.tidy(NOW + 5000 * DAY)
        kept = [at for at, value in _rows(readings, until=NOW + 10 * DAY) if value >= 0]
        assert kept == [NOW + day * DAY for day in range(1, 9)]


def test_the_size_has_a_limit(path: Path) -> None:
    limit = 160_000
    with Readings(path, Limits(max_bytes=limit)) as readings:
        for day in range(12):
            findings = [(NOW + day * DAY + place, watts(float(place % 2))) for place in range(1000)]
            readings.add(findings, NOW + day * DAY + 1000)
            readings.tidy(NOW + day * DAY + 1000)
            assert readings.bytes_stored() <= limit
        assert path.stat().st_size <= limit + 8192
        newest = _rows(readings, since=NOW + 11 * DAY, until=NOW + 12 * DAY)
        assert (newest[0], len(newest)) == ((NOW + 11 * DAY, 0.0), 1001), "the oldest went"
        assert _rows(readings, since=NOW, until=NOW + DAY) == []


def test_without_room_nothing_that_was_stored_is_lost(path: Path) -> None:
    with Readings(path, Limits(max_bytes=130_000)) as readings:
        stored = 0
        with pytest.raises(ReadingsFullError):
            for batch in range(1000):
                readings.add([(NOW + batch * 1000 + place, watts(float(place % 2))) for place in range(1000)], NOW)
                stored = batch + 1
        assert stored > 2
        expected = [(NOW + place, float(place % 2)) for place in range(stored * 1000)]
        assert _rows(readings, until=NOW + stored * 1000) == expected
        assert readings.appliances()[0].seen == NOW + stored * 1000 - 1, "nothing of the batch that had no room"
        readings.forget(1)
        _add(readings, watts(8.0))
        assert len(readings.appliances()) == 1, "there is room again"


def test_what_is_forgotten_is_gone_from_the_disk(path: Path) -> None:
    with Readings(path) as readings:
        _add(readings, Description("test:secret", "a secret lamp"), watts(8.0, "test:secret"), watts(9.0))
        readings.assign(1, "Lamp", "secret brand", {Purpose.NEXT_HOUR}, NOW)
        readings.forget(1)
        assert [plug.source for plug in readings.appliances()] == ["test:plug"]
        _add(readings, watts(7.0, "test:secret"))
        again = readings.appliances()[-1]
        assert (again.number, again.kind, again.purposes) == (3, None, frozenset()), "another plug, and nothing allowed"
        readings.forget_everything()
        assert (readings.appliances(), readings.refused(), readings.last_heard()) == ((), {}, None)
    assert not [one for one in path.parent.iterdir() if b"secret" in one.read_bytes()]


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be one" * 100, b"SQLite format 3\0" * 64]
)
def test_a_damaged_file_is_said_to_be(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ReadingsError, match=READINGS):
        Readings(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_left_alone(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE own (x)")
    other.close()
    with pytest.raises(ReadingsError, match="another program"):
        Readings(path)


def test_readings_of_a_later_version_are_left_alone(path: Path) -> None:
    Readings(path).close()
    later = sqlite3.connect(path)
    later.execute(f"PRAGMA user_version = {VERSION + 1}")
    later.close()
    with pytest.raises(ReadingsError, match=f"version {VERSION + 1}"):
        Readings(path)


@pytest.mark.parametrize("kind", ["folder", "link", "no folder", "zero"])
def test_a_place_that_cannot_be_one(path: Path, tmp_path: Path, kind: str) -> None:
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    place = {"no folder": Path("/dev/null") / "household" / READINGS, "zero": tmp_path / "a\0b"}.get(kind, path)
    with pytest.raises(ReadingsError):
        Readings(place)
    assert not (tmp_path / "elsewhere").exists()


def test_two_processes_and_their_threads_share_a_file(path: Path) -> None:
    """A page reads and assigns while a collector writes."""
    with Readings(path) as collector, Readings(path) as page:
        _add(collector, watts(0.0))
        failed = list[BaseException]()

        def work(readings: Readings, place: int) -> None:
            try:
                for second in range(40):
                    _add(readings, watts(float(second), f"test:{place}"), now=NOW + second)
                    readings.assign(1, "Lamp", f"{place}", (), NOW)
                    readings.appliances()
            except BaseException as error:
                failed.append(error)

        threads = [Thread(target=work, args=(one, place)) for place, one in enumerate((collector, collector, page))]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert failed == []
        numbers = {plug.source: plug.number for plug in page.appliances()}
        for place in range(3):
            found = collector.series(numbers[f"test:{place}"], NOW, NOW + 40)
            assert found.watts.tolist() == [float(second) for second in range(40)]


def test_a_plot_of_many_readings_keeps_the_highest_and_the_lowest(readings: Readings) -> None:
    values = [100.0 + place % 50 for place in range(5000)]
    values[1234], values[4321] = 2000.0, 1.0
    readings.add([(NOW + place, watts(value)) for place, value in enumerate(values)], NOW + 5000)
    readings.interrupted(NOW + 5001)
    thinned = readings.series(1, NOW, NOW + DAY, most=300)
    assert len(thinned.times) <= 302
    assert (np.nanmax(thinned.watts), np.nanmin(thinned.watts)) == (2000.0, 1.0)
    assert np.isnan(thinned.watts[-1])
