"""The home of the demonstration with pages: days of its plugs, as if they had just been measured."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from client_agent.data.intake.examples import file_of
from client_agent.data.intake.plugs import Purpose
from client_agent.data.intake.readings import READINGS, Readings
from client_agent.data.loader import DataMissingError, FileLoader
from client_agent.data.power_windows import scaled
from client_agent.data.tracebase import TYPES, Appliance
from protocol.model.dataset import OWNERS
from scripts.demonstration.home_readings import DAYS, write_readings

NOW, DAY, HOURS = 1_800_000_000, 24 * 3600, 3
KETTLE, LAMP = Appliance(9, "A1"), Appliance(2, "B2")
FIRST = date(2012, 2, 20)


def _days(folder: Path, appliance: Appliance, days: int, watts: int, before: str = "dev_") -> None:
    """A few hours of every second day, in which nothing changes but by day."""
    place = folder / TYPES[appliance.kind]
    place.mkdir(parents=True, exist_ok=True)
    for number in range(days):
        day = FIRST + timedelta(days=2 * number)
        lines = (f"{day:%d/%m/%Y} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02};{watts + number};0\n"
                 for second in range(0, HOURS * 3600, 10))  # fmt: skip
        (place / f"{before}{appliance.plug}_{day:%Y.%m.%d}.csv").write_text("".join(lines))


def test_its_last_days_end_now_and_make_examples_of_what_its_owner_allows(tmp_path: Path) -> None:
    _days(tmp_path, KETTLE, DAYS + 2, 100)
    _days(tmp_path, Appliance(9, "A12"), DAYS + 2, 900)  # another plug, whose name begins like the first one
    _days(tmp_path, LAMP, 2, 10, before="")
    home = tmp_path / "home"
    home.mkdir()
    count = write_readings(tmp_path, home, [KETTLE], [LAMP], Purpose.TYPE_HOUR, NOW)
    with Readings(home / READINGS) as readings:
        kettle, lamp = readings.appliances()
        assert (kettle.kind, kettle.purposes) == ("WaterKettle", frozenset({Purpose.TYPE_HOUR}))
        assert (lamp.kind, lamp.purposes, lamp.suggested_kind) == (None, frozenset(), None), "nobody said what it is"
        series = readings.series(kettle.number, NOW - 2 * DAYS * DAY, NOW + 1)
        known = ~np.isnan(series.watts)
        assert series.times[known][-1] == NOW
        assert sorted(set(series.watts[known].tolist())) == [102.0 + number for number in range(DAYS)]
        first = series.times[known][0]
        assert NOW - DAYS * DAY < first < NOW - (DAYS - 1) * DAY, "a day follows the other"
    examples = FileLoader(file_of(home, Purpose.TYPE_HOUR), 10**7).load()
    assert len(examples) == count >= DAYS * (HOURS - 2)
    assert set(examples.arrays["labels"].tolist()) == {KETTLE.kind}
    assert len(set(examples.arrays[OWNERS].tolist())) == 1
    assert scaled(np.array(102)) <= examples.arrays["inputs"].min() < scaled(np.array(104))


def test_a_home_whose_plugs_make_no_example_is_an_error(tmp_path: Path) -> None:
    _days(tmp_path, LAMP, 1, 1)  # it is never on
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(DataMissingError, match="no example"):
        write_readings(tmp_path, home, [LAMP], [], Purpose.TYPE_HOUR, NOW)
