"""Examples of a household's own appliances: those that its owner allowed, each once, and none ever changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from client_agent.data.intake.examples import MOST_EXAMPLES, file_of, write_examples
from client_agent.data.intake.findings import Description
from client_agent.data.intake.holding import Row
from client_agent.data.intake.opening import ReadingsFullError
from client_agent.data.intake.plugs import Limits, Purpose
from client_agent.data.intake.readings import READINGS, Readings
from client_agent.data.intake.twins import agree
from client_agent.data.intake.windows import SHAPES
from client_agent.data.loader import DataMissingError, FileLoader
from client_agent.data.power_windows import hour_windows, type_windows
from client_agent.data.tracebase import MINUTES, TYPES, Appliance, ApplianceDay
from client_agent.privacy.held_out import Coins
from client_agent.training.trainers import HouseholdTrainer
from protocol.model.dataset import Examples
from scripts.demonstration.presets import appliances_terms
from tests.unit.client_agent.data.intake.scene_plugs import DAY, HOUR, NOW

MIDNIGHT = NOW // DAY * DAY - 10 * DAY
ALL = frozenset(Purpose)
LAMP, KETTLE = TYPES.index("Lamp"), TYPES.index("WaterKettle")


def _day(seed: int, first: int = MIDNIGHT, hours: int = 24) -> list[Row]:
    """A reading every ten seconds of whole hours, and a gap after them; some hours are off."""
    generator = np.random.Generator(np.random.PCG64(seed))
    values = generator.integers(0, 2000, hours * 360) * (np.arange(hours * 360) // 360 % 5 != 2)
    rows: list[Row] = [(first + 10 * place, float(value)) for place, value in enumerate(values.tolist())]
    return [*rows, (first + hours * HOUR, None)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def readings(home: Path) -> Iterator[Readings]:
    with Readings(home / READINGS) as found:
        yield found


def _store(readings: Readings, rows: list[Row], device: str = "test:plug") -> int:
    readings.add_history(Description(device), "W", rows, NOW)
    return next(plug.number for plug in readings.appliances() if plug.source == device)


def _loaded(home: Path, purpose: Purpose = Purpose.TYPE_HOUR) -> Examples:
    return FileLoader(file_of(home, purpose), 2**30).load()


def _inputs(home: Path, purpose: Purpose = Purpose.TYPE_HOUR) -> list[bytes]:
    return [row.tobytes() for row in _loaded(home, purpose).arrays["inputs"]]


def _trains(home: Path, purpose: Purpose) -> bool:
    """Whether a phone finds what it needs for any training."""
    model, _, _ = appliances_terms()
    trainer = HouseholdTrainer(model, FileLoader(file_of(home, purpose), 2**30), 4_000, print, Coins(lambda: b"secret"))
    try:
        return trainer.check() > 0
    except DataMissingError:
        return False


def _as_data_set(rows: list[Row]) -> list[ApplianceDay]:
    watts = np.array([value for _, value in rows if value is not None]).reshape(-1, MINUTES, 6)
    minutes = np.stack([watts.mean(axis=2), watts.max(axis=2), watts.min(axis=2)], axis=1).astype(np.float32)
    return [ApplianceDay(Appliance(LAMP, "p"), date.fromordinal(1 + place), one) for place, one in enumerate(minutes)]


def test_examples_are_those_of_the_data_set(readings: Readings, home: Path) -> None:
    rows = [*_day(1, hours=48)]
    plug = _store(readings, rows)
    readings.assign(plug, "Lamp", "", ALL, NOW)
    counts = write_examples(readings, home, NOW)
    days = _as_data_set(rows)
    for purpose, made in (
        (Purpose.TYPE_HOUR, type_windows(days, 60, 60)),
        (Purpose.TYPE_FOUR_HOURS, type_windows(days)),
        (Purpose.NEXT_HOUR, hour_windows(days)),
    ):
        found = _loaded(home, purpose)
        assert found.arrays["inputs"].tobytes() == made.inputs.tobytes()
        assert found.arrays["labels"].tolist() == made.labels.tolist()
        assert counts[purpose] == len(made) == readings.examples(purpose)
        assert set(found.arrays["appliance"].tolist()) == {1}
        assert found.arrays["inputs"].shape[1:] == SHAPES[purpose].inputs
    assert (_loaded(home).arrays["labels"] == LAMP).all()


def test_nothing_is_made_of_what_its_owner_did_not_allow(readings: Readings, home: Path) -> None:
    plug = _store(readings, _day(1))
    assert set(write_examples(readings, home, NOW).values()) == {0}
    readings.assign(plug, "Lamp", "", (), NOW)
    assert set(write_examples(readings, home, NOW).values()) == {0}
    assert not list(home.rglob("*.safetensors"))
    assert not any(_trains(home, purpose) for purpose in Purpose)
    readings.switch(plug, Purpose.TYPE_HOUR, True)
    counts = write_examples(readings, home, NOW)
    assert {purpose for purpose, count in counts.items() if count} == {Purpose.TYPE_HOUR}
    assert [path.name for path in home.rglob("*.safetensors")] == ["type-60.safetensors"]
    assert [purpose for purpose in Purpose if _trains(home, purpose)] == [Purpose.TYPE_HOUR]
    readings.switch(plug, Purpose.TYPE_HOUR, False)
    assert set(write_examples(readings, home, NOW).values()) == {0}
    assert not list(home.rglob("*.safetensors"))
    assert not any(_trains(home, purpose) for purpose in Purpose)


def test_new_examples_come_at_the_end_and_none_comes_twice(readings: Readings, home: Path) -> None:
    rows = _day(1, hours=72)
    now = MIDNIGHT + 30 * HOUR + 600
    plug = _store(readings, [row for row in rows if row[0] < now])
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, now)
    write_examples(readings, home, now)
    before = _inputs(home)
    state = file_of(home, Purpose.TYPE_HOUR).stat()
    write_examples(readings, home, now)
    assert file_of(home, Purpose.TYPE_HOUR).stat() == state, "without news the file stays what it is"
    _store(readings, rows)
    write_examples(readings, home, NOW)
    after = _inputs(home)
    assert after[: len(before)] == before and len(after) > len(before)
    assert len(set(after)) == len(after)


def test_an_hour_that_is_not_over_makes_no_example(readings: Readings, home: Path) -> None:
    plug = _store(readings, _day(1))
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, NOW)
    for end, count in ((HOUR + 119, 0), (HOUR + 120, 1), (2 * HOUR + 119, 1), (2 * HOUR + 120, 2)):
        assert write_examples(readings, home, MIDNIGHT + end)[Purpose.TYPE_HOUR] == count


def test_an_example_keeps_its_coin_whatever_comes_later(readings: Readings, home: Path) -> None:
    """What is held out once is never trained on: no later reading of the same hour changes it."""
    rows = _day(1)
    cut = [row for row in rows if row[0] < MIDNIGHT + 10 * HOUR + 600]
    plug = _store(readings, cut)
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, NOW)
    write_examples(readings, home, NOW)
    first = _loaded(home)
    _store(readings, [(at + 5, value) for at, value in _day(2)])  # of the same day, between the others
    _store(readings, rows)
    write_examples(readings, home, NOW)
    second, coins = _loaded(home), Coins(lambda: b"household")
    kept = len(first)
    assert coins.held_out(second, 300_000)[:kept].tolist() == coins.held_out(first, 300_000).tolist()
    assert 0 < coins.held_out(first, 300_000).sum() < kept < len(second)


def test_a_window_with_a_gap_makes_no_example(readings: Readings, home: Path) -> None:
    rows = [row for row in _day(1) if not 2 * HOUR + 300 <= row[0] - MIDNIGHT < 2 * HOUR + 420]
    gap: list[Row] = [(MIDNIGHT + 3 * HOUR + 300, None), *_day(1)[3 * 360 + 60 : 3 * 360 + 361]]
    plug = _store(readings, sorted({**dict(rows), **dict(gap[:1])}.items()))
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, NOW)
    whole = type_windows(_as_data_set(_day(1)), 60, 60)
    write_examples(readings, home, NOW)
    assert len(whole) - len(_loaded(home)) in (0, 1), "a reading holds over a silence, and not over a gap"
    assert not np.isnan(_loaded(home).arrays["inputs"]).any()


def test_another_appliance_at_the_same_plug_is_another_owner(readings: Readings, home: Path) -> None:
    plug = _store(readings, _day(1, hours=48))
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, MIDNIGHT + 24 * HOUR)
    write_examples(readings, home, MIDNIGHT + 24 * HOUR)
    readings.assign(plug, "WaterKettle", "", {Purpose.TYPE_HOUR}, MIDNIGHT + 24 * HOUR)
    write_examples(readings, home, NOW)
    found = _loaded(home)
    owners, labels = found.arrays["appliance"], found.arrays["labels"]
    assert set(zip(owners.tolist(), labels.tolist(), strict=True)) == {(1, LAMP), (2, KETTLE)}
    assert (np.diff(owners) >= 0).all()


def test_another_appliance_has_nothing_of_what_was_there_before(readings: Readings, home: Path) -> None:
    plug = _store(readings, _day(1, hours=48))
    readings.assign(plug, "Lamp", "", (), NOW)
    readings.assign(plug, "WaterKettle", "", {Purpose.TYPE_HOUR}, MIDNIGHT + 24 * HOUR)
    later = type_windows(_as_data_set(_day(1, hours=48))[1:], 60, 60)
    assert write_examples(readings, home, NOW)[Purpose.TYPE_HOUR] == len(later)


def test_a_wrong_word_can_be_corrected_and_the_inputs_stay(readings: Readings, home: Path) -> None:
    plug = _store(readings, _day(1))
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, NOW)
    write_examples(readings, home, NOW)
    before = _inputs(home)
    readings.assign(plug, "WaterKettle", "", {Purpose.TYPE_HOUR}, NOW, correct=True)
    write_examples(readings, home, NOW)
    assert _inputs(home) == before
    assert set(_loaded(home).arrays["labels"].tolist()) == {KETTLE}
    assert set(_loaded(home).arrays["appliance"].tolist()) == {1}
    readings.assign(plug, "Other", "", {Purpose.TYPE_HOUR, Purpose.NEXT_HOUR}, NOW, correct=True)
    counts = write_examples(readings, home, NOW)
    assert (counts[Purpose.TYPE_HOUR], counts[Purpose.NEXT_HOUR] > 0) == (0, True), "a kind without a label"
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, NOW, correct=True)
    write_examples(readings, home, NOW)
    assert _inputs(home) == before


def test_a_constant_hour_is_one_example(readings: Readings, home: Path) -> None:
    """A router that draws the same for a day would be the same example 24 times."""
    plug = _store(readings, [(MIDNIGHT + place, 8.0) for place in range(0, DAY, 600)])
    readings.assign(plug, "Router", "", {Purpose.TYPE_HOUR}, NOW)
    assert write_examples(readings, home, NOW)[Purpose.TYPE_HOUR] == 1


def test_two_integrations_of_one_plug_make_examples_once(readings: Readings, home: Path) -> None:
    begin = NOW // DAY * DAY - 10 * HOUR
    rows: list[Row] = [(begin + 600 * place, float(place * 700 % 1900)) for place in range(72)]
    slower: list[Row] = [(at + 3, (value or 0.0) * 1.01) for at, value in rows]
    steady: list[Row] = [(at, 300.0) for at, _ in rows]
    for device, own in (("a:plug", rows), ("b:plug", slower), ("c:plug", steady), ("d:plug", steady)):
        readings.assign(_store(readings, own, device), "Lamp", "", {Purpose.TYPE_HOUR}, NOW)
    counts = write_examples(readings, home, NOW)
    assert counts[Purpose.TYPE_HOUR] > 1
    assert [plug.same_as for plug in readings.appliances()] == [None, 1, None, None]
    assert set(_loaded(home).arrays["appliance"].tolist()) == {1, 3}, "two that just burn make one example together"


def test_appliances_that_are_off_most_of_the_time_are_not_the_same() -> None:
    one, other = np.zeros(1440, dtype=np.float32), np.zeros(1440, dtype=np.float32)
    one[100:160:2], other[700:760:2] = 1000.0, 1000.0
    assert not agree(one, other)
    assert agree(one, one * np.float32(1.01))
    assert not agree(one, np.full(1440, np.nan, dtype=np.float32))


def test_the_newest_examples_stay_when_there_are_too_many(
    readings: Readings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_EXAMPLES == 4000
    plug = _store(readings, _day(1))
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, NOW)
    write_examples(readings, home, NOW)
    every = _inputs(home)
    monkeypatch.setattr("client_agent.data.intake.examples.MOST_EXAMPLES", 5)
    assert write_examples(readings, home, NOW)[Purpose.TYPE_HOUR] == 5
    assert _inputs(home) == every[-5:]


def test_examples_are_kept_no_longer_than_readings(home: Path) -> None:
    with Readings(home / READINGS, Limits(keep_days=10)) as readings:
        plug = _store(readings, _day(1, MIDNIGHT + DAY, hours=48))
        readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, NOW)
        every = write_examples(readings, home, NOW)[Purpose.TYPE_HOUR]
        readings.tidy(NOW + DAY)
        assert 0 < write_examples(readings, home, NOW + DAY)[Purpose.TYPE_HOUR] < every
        readings.forget(plug)
        assert write_examples(readings, home, NOW + DAY)[Purpose.TYPE_HOUR] == 0
        assert not list(home.rglob("*.safetensors"))


def test_a_file_that_cannot_be_written_stays_as_it_was(
    readings: Readings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug = _store(readings, _day(1))
    readings.assign(plug, "Lamp", "", {Purpose.TYPE_HOUR}, NOW)
    write_examples(readings, home, MIDNIGHT + 5 * HOUR)
    before = _inputs(home)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises((OSError, ReadingsFullError)):
            write_examples(readings, home, NOW)
    assert _inputs(home) == before
    write_examples(readings, home, NOW)
    assert _inputs(home)[: len(before)] == before and len(_inputs(home)) > len(before)
