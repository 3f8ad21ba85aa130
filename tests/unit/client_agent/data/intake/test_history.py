"""Readings of files: what is in them is read, what is wrong with them is counted, hostile ones are one typed error."""

from __future__ import annotations

import gzip
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.data.intake.history import MAX_FILE, Import, read_history
from client_agent.data.intake.local_time import seconds_of
from client_agent.data.intake.quantities import MAX_WATTS
from protocol.errors import MalformedError

AT = 1_795_856_400  # 2026-11-28 09:00 UTC
BERLIN = ZoneInfo("Europe/Berlin")


def _read(folder: Path, text: str | bytes, name: str = "file.csv", form: str | None = None, unit: str = "W") -> Import:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_history(path, form, UTC, unit)


def _rows(found: Import) -> list[tuple[int, float | None]]:
    (history,) = found.histories.values()
    return history.ordered()


def _counted(found: Import) -> dict[str, int]:
    return {why: count for why, count in found.refused.items() if count}


def test_home_assistants_export(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        "entity_id,state,last_changed\n"
        "sensor.washer_power,61.2,2026-11-28T09:00:00.000Z\n"
        'sensor.washer_power,"62,5",2026-11-28T09:01:00.000Z\n'
        "sensor.washer_power,unavailable,2026-11-28T09:02:00.000Z\n"
        "sensor.washer_power,-700,2026-11-28T09:03:00.000Z\n"
        "sensor.washer_power,4294967295,2026-11-28T09:04:00.000Z\n"
        "sensor.washer_power,63,yesterday\n"
        "sensor.washer_power,64,2026-11-28T08:59:00.000Z\n"
        "sensor.outside_temperature,5.1,2026-11-28T09:00:00.000Z\n"
        "sensor.lamp_power,11,2026-11-28T09:00:00.000Z\n",
    )
    assert list(found.histories) == ["import:washer", "import:lamp"]
    washer = found.histories["import:washer"]
    assert washer.tells_gaps
    assert washer.ordered() == [
        *((AT - 60, 64.0), (AT, 61.2), (AT + 60, 62.5), (AT + 120, None), (AT + 180, None)),
        (AT + 240, None),  # after the last one nothing is known
    ]
    reasons = {"unknown or unavailable": 1, "negative": 1, "spike": 1, "clock": 1, "not of a plug": 1}
    assert _counted(found) == reasons


def test_a_table_of_tasmota_or_another_program(tmp_path: Path) -> None:
    for text in (
        "Time,Power (W),Voltage\n2026-11-28T09:00:00,61.2,231\n2026-11-28T09:00:10,0,231\n",
        'timestamp;power_kW\n1795856400;"0,0612"\n1795856410;0\n',
        "\ufeffDate/Time\tapower\n2026-11-28 09:00:00\t61.2\n2026-11-28 09:00:10\t0\n",
    ):
        assert _rows(_read(tmp_path, text)) == [(AT, pytest.approx(61.2)), (AT + 10, 0.0), (AT + 70, None)], text
    assert _rows(_read(tmp_path, "Time,Power\n1795856400,0.5\n", unit="kW"))[0] == (AT, 500.0)


def test_a_table_of_shellys_meters_has_amounts_of_energy(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        "Date/time UTC,Active energy Wh,Returned energy Wh,Min V,Max V\n"
        "2026-11-28 09:00,0,0,230,231\n2026-11-28 09:01,1.5,0,230,231\n2026-11-28 09:02,0.5,0,230,231\n"
        "2026-11-28 09:03,9999,0,230,231\n",
    )
    assert _rows(found) == [(AT, 90.0), (AT + 60, 30.0), (AT + 120, None)], "1.5 Wh in a minute are 90 W"
    assert _counted(found) == {"no number": 1}


def test_a_day_of_tracebase(tmp_path: Path) -> None:
    folder = tmp_path / "Washingmachine"
    folder.mkdir()
    lines = [f"28/11/2026 09:00:{second:02};{second};{second}" for second in range(0, 40, 1)]
    text = "\n".join([*lines, "28/11/2026 09:05:00;7;7", "nonsense", ""])
    for name, content in (
        ("dev_D33097_2026.11.28.csv", text.encode()),
        ("dev_D33097_2026.11.28.csv.gz", gzip.compress(text.encode())),
    ):
        found = _read(folder, content, name)
        assert list(found.histories) == ["import:Washingmachine dev_D33097"]
        assert _rows(found) == [
            *((AT, 0.0), (AT + 10, 10.0), (AT + 20, 20.0), (AT + 30, 30.0), (AT + 90, None)),  # as the data set has it
            *((AT + 300, 7.0), (AT + 360, None)),
        ]
        assert _counted(found) == {"malformed": 1}


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)),
    "no header": b"1,2,3\n4,5,6\n",
    "only a header": b"Time,Power\n",
    "no numbers": b"Time,Power\n2026-11-28T09:00:00,much\n",
    "no times": b"Time,Power\nnow,1\n",
    "no power": b"Time,Humidity\n2026-11-28T09:00:00,1\n",
    "a quote that never ends": b'Time,Power\n"2026-11-28T09:00:00,1\n',
    "a field without end": b"Time,Power\n" + b"9" * 200_000 + b",1\n",
    "cut off": gzip.compress(b"Time,Power\n1795856400,1\n" * 100)[:-9],
    "swollen": gzip.compress(b"Time,Power\n" + b" " * (MAX_FILE + 1)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_named(tmp_path: Path, case: str) -> None:
    with pytest.raises(MalformedError, match=r"hostile\.csv"):
        _read(tmp_path, HOSTILE[case], "hostile.csv")


@pytest.mark.parametrize("form", ["table", "home-assistant", "tracebase", "word"])
def test_a_format_that_it_is_not(tmp_path: Path, form: str) -> None:
    with pytest.raises(MalformedError, match=r"file\.csv"):
        _read(tmp_path, "a,b\n1,2\n", form=form)


PARTS = st.sampled_from(
    [
        *("Time", "Power", "entity_id", "state", "last_changed", ",", ";", "\n", '"', "61,2", "NaN", "sensor.a_power"),
        *("28/11/2026 09:00:00;1;1", "1795856400", "2026-11-28T09:00:00Z", "-1", "1e9", "\ufeff", "\0"),
    ]
)


@given(st.lists(PARTS, max_size=30))
def test_whatever_is_in_a_file(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    for form in (None, "table", "home-assistant", "tracebase"):
        try:
            found = _read(folder, "".join(parts), "any.csv", form)
        except MalformedError:
            continue
        for history in found.histories.values():
            rows = history.ordered()
            assert [at for at, _ in rows] == sorted({at for at, _ in rows})
            assert all(watts is None or 0.0 <= watts <= MAX_WATTS for _, watts in rows)


def test_a_day_of_twenty_five_hours() -> None:
    """On 25 October 2026 clocks in Berlin showed two o'clock twice."""
    before, found = None, []
    for text in ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00"):
        before = seconds_of(f"2026-10-25 {text}:00", BERLIN, before)
        assert before is not None
        found.append(before)
    assert [late - early for early, late in pairwise(found)] == [1800] * 5


def test_a_day_of_twenty_three_hours() -> None:
    """On 29 March 2026 they did not show it at all."""
    assert seconds_of("2026-03-29 02:30:00", BERLIN, None) is None
    early, late = (seconds_of(f"2026-03-29 {text}:00", BERLIN, None) for text in ("01:59", "03:00"))
    assert early is not None and late is not None and late - early == 60


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("1795856400", AT), ("1795856400000", AT), ("1795856400.5", AT), ("2026-11-28T09:00:00Z", AT)),
        *(("2026-11-28T10:00:00+01:00", AT), ("2026-11-28 09:00", AT), ("", None), ("x" * 50, None), ("-5", None)),
        *(("99999999999999999999", None), ("0001-01-01T00:00:00+23:59", -62_135_683_140), ("\u0661", None)),
    ],
)
def test_times(text: str, seconds: int | None) -> None:
    assert seconds_of(text, UTC, None) == seconds
