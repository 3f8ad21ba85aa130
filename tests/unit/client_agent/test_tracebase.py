"""Days of power: what is well formed is read minute by minute, anything else is one typed error that names the file."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from client_agent.data.loader import DataMissingError
from client_agent.data.tracebase import MINUTES, TYPES, Appliance, by_minute, load_tracebase
from protocol.errors import MalformedError

DAY = date(2011, 12, 5)


def _lines(readings: Iterable[tuple[int, int]], day: date = DAY) -> bytes:
    """Of (second of the day, watts)."""
    return "".join(
        f"{day:%d/%m/%Y} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02};{watts};{watts + 1}\n"
        for second, watts in readings
    ).encode()


def test_a_minute_has_its_mean_its_highest_and_its_lowest() -> None:
    minutes = by_minute(_lines([(0, 10), (10, 20), (20, 60), (30, 10), (40, 10), (50, 10)]), DAY)
    assert minutes.shape == (3, MINUTES)
    assert minutes[:, 0].tolist() == [20.0, 60.0, 10.0]


def test_readings_hold_over_a_minute_and_no_longer() -> None:
    minutes = by_minute(_lines([(3600, 100), (3600 + 125, 40)]), DAY)
    assert minutes[:, 59].tolist() == [0.0, 0.0, 0.0]
    assert minutes[:, 60].tolist() == [100.0, 100.0, 100.0]
    assert minutes[:, 61].tolist() == [100.0, 100.0, 100.0], "of its first ten seconds alone"
    assert minutes[:, 62].tolist() == [40.0, 40.0, 40.0]
    assert minutes[:, 64].tolist() == [0.0, 0.0, 0.0]


def test_one_reading_a_second_says_the_same_as_one_in_ten() -> None:
    """The public original has one a second."""
    generator = np.random.default_rng(1)
    dense = [(second, int(watts)) for second, watts in enumerate(generator.integers(0, 3000, 7200))]
    thinned = [reading for reading in dense if reading[0] % 10 == 0]
    assert by_minute(_lines(dense), DAY).tolist() == by_minute(_lines(thinned), DAY).tolist()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(TYPES):
        (tmp_path / name).mkdir()
        content = _lines([(0, number), (10, number)])
        (tmp_path / name / "dev_D33097_2011.12.05.csv.gz").write_bytes(gzip.compress(content))
    return tmp_path


def test_an_appliance_is_a_type_and_a_plug_whatever_the_prefix(folder: Path) -> None:
    names = {"device_B814DA": "B814DA", "_D3237E": "D3237E", "Senseo_Coffee": "Senseo_Coffee", "dev_D33097": "D33097"}
    for name in names:
        (folder / TYPES[0] / f"{name}_2011.12.06.csv").write_bytes(_lines([(0, 7)], date(2011, 12, 6)))
    days = load_tracebase(folder)
    assert {day.appliance.plug for day in days if day.day == date(2011, 12, 6)} == set(names.values())
    assert {day.appliance for day in days if day.day == DAY} == {Appliance(kind, "D33097") for kind in range(10)}
    assert [day.minutes[1, 0] for day in days if day.day == DAY] == list(range(10))
    assert [(day.appliance, day.day) for day in days] == sorted((day.appliance, day.day) for day in days)


def test_a_type_without_a_file_is_missing(folder: Path) -> None:
    (folder / TYPES[3] / "dev_D33097_2011.12.05.csv.gz").unlink()
    with pytest.raises(DataMissingError, match=TYPES[3]):
        load_tracebase(folder)


GOOD = _lines([(0, 1), (10, 2)])
HOSTILE = {
    "empty": b"",
    "another day": _lines([(0, 1)], date(2011, 12, 6)),
    "no time": GOOD.replace(b"00:00:10", b"24:00:10"),
    "no numbers": GOOD.replace(b";1;", b";x;"),
    "negative": GOOD.replace(b";1;", b";-1;"),
    "a column less": GOOD.replace(b";1;2", b";1"),
    "swollen": GOOD + b"\n" * 9_000_000,
}


@pytest.mark.parametrize("case", [*HOSTILE, "cut off", "no day"])
def test_a_hostile_file_is_named(folder: Path, case: str) -> None:
    path = folder / TYPES[0] / "dev_D33097_2011.12.05.csv.gz"
    packed = gzip.compress(HOSTILE.get(case, GOOD), 1)
    path.write_bytes(packed[:-9] if case == "cut off" else packed)
    if case == "no day":
        path.rename(path := path.with_name("dev_D33097_2011.13.05.csv.gz"))
    with pytest.raises(MalformedError, match=path.name):
        load_tracebase(folder)
