"""Who gets what in the demonstration: no appliance and no day is on both sides, no plug in two households."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from client_agent.data.loader import DataMissingError
from client_agent.data.power_windows import scaled
from client_agent.data.tracebase import TYPES
from client_agent.data.traffic import DAYS, ROWS_OF_A_DAY
from protocol.errors import MalformedError
from protocol.model.dataset import OWNERS, decode_examples, decode_labelled, encode_labelled
from scripts.demonstration.data import TRAFFIC_TEST_STRIDE, households_of, persistence_of
from scripts.demonstration.presets import PRESETS

PLUGS = 6
DAY = date(2012, 1, 2)


def _watts(kind: int, plug: int) -> int:
    """Of one appliance alone, the whole day."""
    return 10 + 10 * kind + plug


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of every type all plugs, each in a place of its own for a day."""
    for kind, name in enumerate(TYPES):
        types = tmp_path / "tracebase" / "complete" / name
        types.mkdir(parents=True)
        for plug in range(PLUGS):
            lines = (f"{DAY:%d/%m/%Y} {minute // 60:02}:{minute % 60:02}:{second:02};{_watts(kind, plug)};0\n"
                     for minute in range(300) for second in (0, 30))  # fmt: skip
            (types / f"dev_{plug}_{DAY:%Y.%m.%d}.csv.gz").write_bytes(gzip.compress("".join(lines).encode(), 1))
    rows = np.arange(DAYS * ROWS_OF_A_DAY)[:, None] / 40 + np.arange(3) * 60 + 5
    (tmp_path / "traffic").mkdir()
    table = ["a,b,c", *(",".join(f"{speed:.3f}" for speed in row) for row in rows)]
    (tmp_path / "traffic" / "los_speed.csv").write_text("\n".join(table) + "\n")
    monkeypatch.setenv("HEARTH_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_appliances_are_tested_that_nobody_has_and_plugs_are_never_shared() -> None:
    dealt = households_of("appliances", 4)
    inputs, labels = decode_labelled(dealt.test_set)
    appliances = {
        float(scaled(np.array(_watts(kind, plug)))): (kind, plug) for kind in range(10) for plug in range(PLUGS)
    }
    tested = {appliances[float(one)] for one in inputs[:, 0, 0, 0]}
    households = list[set[tuple[int, int]]]()
    for household in map(decode_examples, dealt.households):
        owners, first = household.arrays[OWNERS], household.arrays["inputs"][:, 0, 0, 0]
        found = {
            int(owner): {appliances[float(one)] for one in first[owners == owner]} for owner in set(owners.tolist())
        }
        assert all(len(same) == 1 for same in found.values()), "an appliance is one unit"
        households.append(set().union(*found.values()))
    assert not tested & set().union(*households)
    assert {kind for kind, _ in tested} == set(range(10)) == set(labels.tolist())
    plugs = [{plug for _, plug in household} for household in households]
    assert sum(map(len, plugs)) == len(set().union(*plugs))
    named = [{(one.kind, int(one.plug)) for one in own} for own in (*dealt.plugs, dealt.unseen)]
    assert named == [*households, tested], "whose plugs they are is told"
    assert dealt == households_of("appliances", 4)
    with pytest.raises(DataMissingError, match="appliances: 6 plugs cannot give 7 households one each; --clients"):
        households_of("appliances", 7)


@pytest.mark.usefixtures("folder")
def test_the_next_hour_is_asked_of_appliances_that_nobody_has() -> None:
    """Five hours are on, so an appliance has five windows that something is on in."""
    dealt = households_of("next-hour", 4)
    inputs, labels = decode_labelled(dealt.test_set)
    on = {float(scaled(np.array(_watts(kind, plug)))) for kind in range(10) for plug in range(PLUGS)}
    known = [one for household in map(decode_examples, dealt.households) for one in household.arrays["inputs"]]
    assert inputs.shape[1:] == (12, 1) and len(inputs) + len(known) == 5 * 10 * PLUGS
    tested, owned = ({float(one[0, 0]) for one in some} for some in (inputs, known))
    assert not tested & owned and tested | owned == on
    assert set(labels.tolist()) == {-1.0}, "twelve hours after the first one all are off"
    assert dealt == households_of("next-hour", 4)
    with pytest.raises(DataMissingError, match="cannot give"):
        households_of("next-hour", 7)


def test_that_nothing_changes_is_right_within_the_tolerance() -> None:
    inputs = np.array([[9, 0.5], [9, 0.5], [9, 0.5], [0.5, 9]], dtype=np.float32)[:, :, None]
    labels = np.array([0.5, 0.5 + 0.17, 0.5 - 0.18, 0.5], dtype=np.float32)
    test_set = encode_labelled(inputs, labels)
    assert persistence_of(PRESETS["next-hour"].terms()[0], test_set) == 0.5
    assert persistence_of(PRESETS["digits"].terms()[0], test_set) is None


@pytest.mark.usefixtures("folder")
def test_days_of_traffic_are_tested_that_nobody_has() -> None:
    dealt = households_of("traffic", 2)
    households = [decode_examples(household).labelled() for household in dealt.households]
    assert [inputs.shape[1:] for inputs, _ in households] == [(12, 1)] * 2
    assert [len(labels) for _, labels in households] == [2 * 1428, 1428]
    tested, answers = decode_labelled(dealt.test_set)
    assert len(answers) == -(-3 * 564 // TRAFFIC_TEST_STRIDE)
    latest = households[0][1][:1428].max()
    assert tested[: 564 // TRAFFIC_TEST_STRIDE].min() > latest, "speeds rise: the test days are later"
    np.testing.assert_allclose(
        np.diff(households[0][0][:1428, -1, 0])[:100], np.diff(households[0][1][:101]), atol=1e-6
    )
    with pytest.raises(DataMissingError, match="traffic: 3 sensors cannot give 4 households one each; --clients"):
        households_of("traffic", 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "sensors|speeds"),
        ("a,a\n" + "1,2\n" * 2016, "each once"),
        ("a,b\n" + "1,2\n" * 2015, "2016 rows"),
        ("a,b\n" + "1,x\n" * 2016, "los_speed"),
        ("a,b\n" + "1,nan\n" * 2016, "not between"),
        ("a,b\n" + "1,-2\n" * 2016, "not between"),
        ("a,b\n" + "7,7\n" * 2016, "the same"),
    ],
)
def test_hostile_speeds_are_one_error_that_names_the_file(text: str, said: str, folder: Path) -> None:
    (folder / "traffic" / "los_speed.csv").write_text(text)
    with pytest.raises(MalformedError, match=said) as caught:
        households_of("traffic", 2)
    assert "los_speed.csv" in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_DATA_DIR", str(tmp_path))
    with pytest.raises(DataMissingError, match="tracebase data set"):
        households_of("appliances", 2)
    with pytest.raises(DataMissingError, match=r"los_speed\.csv"):
        households_of("traffic", 2)
