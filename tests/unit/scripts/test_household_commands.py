"""``hearth household``: files are imported, plugs are assigned and switched, and what is not used is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client_agent.data.intake.examples import file_of
from client_agent.data.intake.plugs import KINDS, Purpose
from client_agent.data.intake.readings import READINGS
from client_agent.data.loader import FileLoader
from scripts.commands.outcome import Outcome
from scripts.demonstration.played_plugs import made_up_plugs, sayings
from scripts.demonstration.plug_voices import VOICES
from tests.unit.scripts.torture import Ended, run

DAY = "28/11/2026"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("client_agent.data.intake.arrival.time.time", lambda: 1_796_000_000.0)  # 30 November 2026
    return tmp_path / "home"


def _household(home: Path, *words: str) -> Ended:
    return run(["household", *words, f"--household={home}"])


def _tracebase(folder: Path, day: str = DAY) -> Path:
    (folder / "WaterKettle").mkdir(exist_ok=True)
    path = folder / "WaterKettle" / f"dev_A_{'.'.join(reversed(day.split('/')))}.csv"
    lines = [
        f"{day} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02};{second // 660 % 3 * 900};0"
        for second in range(0, 86400, 10)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_from_a_file_to_examples(home: Path, tmp_path: Path) -> None:
    ended = _household(home, "import", str(_tracebase(tmp_path)))
    assert (ended.code, ended.error) == (Outcome.OK, "")
    assert "WaterKettle dev_A: 8,640 readings" in ended.output
    listed = _household(home, "appliances", "list").output
    assert "1 WaterKettle dev_A" in listed and "not assigned; perhaps WaterKettle" in listed
    ended = _household(home, "appliances", "assign", "1", "--kind=WaterKettle", "--brand=Maker", "--purpose=type-60")
    assert "Maker WaterKettle: type-60" in ended.output
    examples = FileLoader(file_of(home, Purpose.TYPE_HOUR), 2**24).load()
    assert len(examples) > 1
    assert set(examples.arrays["labels"].tolist()) == {KINDS.index("WaterKettle")}
    assert "all off" in _household(home, "appliances", "switch", "1", "type-60", "--off").output
    assert not file_of(home, Purpose.TYPE_HOUR).exists()
    assert "next-hour" in _household(home, "appliances", "switch", "1", "next-hour").output
    assert "deleted" in _household(home, "appliances", "forget", "1").output
    assert not list(home.rglob("*.safetensors"))
    assert _household(home, "appliances", "forget", "1").code == Outcome.USAGE


def test_an_old_file_is_moved_when_its_owner_says_so(home: Path, tmp_path: Path) -> None:
    path = _tracebase(tmp_path, "05/12/2011")
    ended = _household(home, "import", str(path))
    assert "0 readings, 8,640 are older than what is kept or of the future; see --ending" in ended.output
    assert "too old 8,640" in _household(home, "appliances", "list").output
    ended = _household(home, "import", str(path), "--ending=2026-11-29")
    assert "8,640 readings" in ended.output
    assert _household(home, "appliances", "list").output.startswith("1 WaterKettle dev_A")


def test_what_was_refused_is_told(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(
        "entity_id,state,last_changed\nsensor.a_power,61,2026-11-28T09:00:00Z\nsensor.a_power,-99,2026-11-28T09:01:00Z\n"
        "sensor.b_humidity,61,2026-11-28T09:00:00Z\nsensor.a_power,x,2026-11-28T09:02:00Z\n"
    )
    lines = _household(home, "import", str(path)).output.splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        *("a: 1 readings", "1 rows not used as they are: negative", "1 rows not used as they are: no number"),
        "1 rows not used as they are: not of a plug",
    ]


def test_a_file_that_is_none_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    for path in ("text", "absent"):
        ended = _household(home, "import", str(_tracebase(tmp_path)), str(tmp_path / path))
        assert ended.code == Outcome.USAGE and path in ended.error
    assert not (home / READINGS).exists(), "not even of the file before it"


def test_words_that_nobody_can_mean(home: Path, tmp_path: Path) -> None:
    assert "no readings yet" in _household(home, "appliances", "list").error
    _household(home, "import", str(_tracebase(tmp_path)))
    for words in (
        ["assign", "1", "--kind=Toaster"],
        ["assign", "9", "--kind=Lamp"],
        ["assign", "1", "--kind=Lamp", "--purpose=all"],
        ["switch", "1", "type-60"],
    ):
        assert _household(home, "appliances", *words).code == Outcome.USAGE, words
    kinds = _household(home, "appliances", "assign", "1", "--kind=?").error
    assert all(kind in kinds for kind in KINDS)


@pytest.mark.parametrize(
    "options",
    [
        *(["--broker=mqtt://a:b@c"], ["--broker=http://b"], ["--broker=mqtt://b", "--convention=none"]),
        *(["--broker=mqtt://b", "--ca-file=text"], ["--broker=mqtt://b", "--password-file=text"]),
        ["--broker=mqtt://b", "--mqtt=4"],
    ],
)
def test_brokers_that_nobody_can_mean(
    home: Path, tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("secret\n")
    ended = _household(home, "collect", *options)
    assert ended.code == Outcome.USAGE
    assert "b@c" not in ended.error and not home.exists()


def test_a_made_up_day_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEARTH_DATA_DIR", raising=False)
    ended = run(["household", "simulate", "--broker=mqtt://127.0.0.1:9", "--plugs=2"])
    assert ended.output.startswith("nothing of this is real")
    assert (ended.code, ended.error[:16]) == (Outcome.FAILED, "hearth: E_BROKER")


def test_played_plugs_are_the_same_every_time() -> None:
    first, second = (
        [(at, said) for at, said in sayings(made_up_plugs(3, 1), VOICES["tasmota"], 1_795_824_000)] for _ in range(2)
    )
    assert first == second
    assert len(first) == 8640 + 1, "at last none of them can be reached any more"
    totals = [
        json.loads(payload)["ENERGY"]["Total"]
        for _, said in first
        for topic, payload, _ in said
        if topic.endswith("lamp_3/SENSOR")
    ]
    assert totals == sorted(totals) and totals[-1] > 0
