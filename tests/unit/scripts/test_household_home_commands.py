"""``hearth household serve`` takes what ``collect`` takes, ``attack`` tells what is found, ``forget --all`` asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_agent.data.intake.plugs import Limits, Purpose
from client_agent.data.intake.readings import READINGS, Readings
from client_agent.home import HomeSettings
from client_agent.household_folder import HouseholdFolder
from protocol.identifiers import to_hex
from protocol.model.dataset import encode_labelled
from scripts.commands.collecting import Collector
from scripts.commands.outcome import Outcome
from storage.content.memory import MemoryStore
from tests.samples import DOMAIN
from tests.unit.client_agent.scene_household import HouseholdPhone
from tests.unit.client_agent.scene_phone import play_round
from tests.unit.client_agent.scene_server import PlayedServer
from tests.unit.client_agent.web.scene_home import NOON, plug_in
from tests.unit.scripts.torture import Ended, run

LEDGER = f"{DOMAIN.chain_id}:{to_hex(DOMAIN.ledger)}"
CHAIN = ["--rpc-url=http://127.0.0.1:9", f"--ledger={LEDGER}"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_forgetting_everything_is_asked_for(home: Path) -> None:
    home.mkdir()
    with Readings(home / READINGS) as readings:
        plug_in(readings, "kettle", lambda at: 2000.0 if at // 60 % 10 == 0 else 0.0)
        plug_in(readings, "lamp", lambda _: 60.0)
        readings.assign(1, "WaterKettle", "", [Purpose.NEXT_HOUR], NOON)
    forget = ["household", "appliances", "forget", f"--household={home}"]
    assert run(forget).code == run([*forget, "1", "--all"]).code == Outcome.USAGE
    assert "2 plugs?" in run([*forget, "--all"]).output
    with Readings(home / READINGS) as readings:
        assert len(readings.appliances()) == 2, "nobody said yes"
    assert "all plugs: readings and examples are deleted" in run([*forget, "--all", "--yes"]).output
    with Readings(home / READINGS) as readings:
        assert not readings.appliances()
    assert not list(home.rglob("*.safetensors"))


class Served:
    """What a page would be served with."""

    def __call__(self, settings: HomeSettings, _: object, __: object, collect: Collector | None) -> None:
        self.settings, self.collect = settings, collect


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    found = Served()
    monkeypatch.setattr("client_agent.home.serve_household", found)
    monkeypatch.setattr("storage.ledger.signer.Signer.from_keystore", lambda *_: object())
    return found


def _serve(home: Path, tmp_path: Path, *options: str) -> Ended:
    (tmp_path / "file").write_text("secret\n")
    file = tmp_path / "file"
    named = [f"--store={tmp_path}", f"--keystore={file}", f"--password-file={file}", f"--household={home}"]
    return run(["household", "serve", *CHAIN, *named, *options])


def test_a_page_collects_as_collect_does(home: Path, tmp_path: Path, served: Served) -> None:
    broker = [
        "--broker=mqtts://anna@b:1",
        f"--broker-password-file={tmp_path / 'file'}",
        f"--ca-file={tmp_path / 'file'}",
    ]
    ended = _serve(
        home, tmp_path, *broker, "--mqtt=5", "--convention=tasmota", "--keep-days=7", "--max-megabytes=3", "--replayed"
    )
    assert ended.code == Outcome.OK, ended.error
    collect = served.collect
    assert collect is not None and collect.replayed and len(collect.conventions) == 1
    assert (collect.broker.password, collect.broker.version) == ("secret", "5")
    assert collect.broker.authorities == tmp_path / "file"
    assert served.settings.limits == Limits(7, 3 * 1024 * 1024)
    assert _serve(home, tmp_path).code == Outcome.OK and served.collect is None
    assert served.settings.limits == Limits()


@pytest.mark.parametrize("option", ["--mqtt=5", "--replayed", "--convention=tasmota"])
def test_options_of_a_broker_need_one(home: Path, tmp_path: Path, served: Served, option: str) -> None:
    ended = _serve(home, tmp_path, option)
    assert ended.code == Outcome.USAGE and "without --broker" in ended.error


@pytest.fixture
def played(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedServer:
    server = PlayedServer()
    phone = HouseholdPhone(server, HouseholdFolder(home))
    phone.steps(60)
    play_round(phone)
    phone.lose()
    generator = np.random.default_rng(3)
    inputs, labels = generator.normal(0, 2, (48, 6)).astype(np.float32), generator.integers(0, 3, 48)
    (tmp_path / "examples").write_bytes(encode_labelled(inputs, labels))

    def reader(*_: Any, **__: Any) -> Any:
        return server.chain

    def store(_: str) -> MemoryStore:
        return server.store

    monkeypatch.setattr("storage.ledger.ethereum.reader.EthereumReader", reader)
    monkeypatch.setattr("storage.content.open_store.open_store", store)
    return server


def _attack(home: Path, tmp_path: Path, task: int = 1) -> Ended:
    files = [f"--data={tmp_path / 'examples'}", f"--json={tmp_path / 'found.json'}", f"--household={home}"]
    return run(["household", "attack", *CHAIN, f"--store={tmp_path}", f"--task={task}", *files])


def test_attacks_as_a_table_and_as_json(home: Path, tmp_path: Path, played: PlayedServer) -> None:
    ended = _attack(home, tmp_path)
    assert (ended.code, ended.error) == (Outcome.OK, "")
    assert "who opened the" in ended.output and "allowed by differential privacy" in ended.output
    assert "the task keeps no example out of the training" in ended.output
    world, opened, model = json.loads((tmp_path / "found.json").read_bytes())
    assert opened["within"] and 0.5 < opened["share"]["right"] <= 1 and opened["examples"] == 48
    assert world["most"] == 0.5 and model["lack"] == "none held out"


def test_without_a_phone_there_is_nothing_to_attack(home: Path, tmp_path: Path, played: PlayedServer) -> None:
    ended = _attack(home, tmp_path, 2)
    assert ended.code == Outcome.USAGE and "no phone of task 2" in ended.error
    assert not (tmp_path / "found.json").exists()
