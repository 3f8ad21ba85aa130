"""From plugs to a model: played plugs, a real broker, a collector, and the trainer of the task on appliances.

Only commands are used, each a process of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from client_agent.data.intake.examples import file_of
from client_agent.data.intake.plugs import Purpose
from client_agent.data.intake.readings import READINGS, Readings
from client_agent.data.loader import FileLoader
from client_agent.data.tracebase import TYPES
from client_agent.privacy.held_out import Coins
from client_agent.training.trainers import HouseholdTrainer
from protocol.identifiers import ZERO_DIGEST
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.sparse.index_set import select
from scripts.demonstration.presets import appliances_terms
from scripts.guard import Guard
from scripts.launcher import hearth_command
from tests.ports.brokers import Mosquitto

FIRST = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp())
HOURS = 3


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


def _data(folder: Path) -> Path:
    """As HEARTH_DATA_DIR has tracebase, with one short day of each type."""
    generator = np.random.Generator(np.random.PCG64(1))
    for kind in TYPES:
        place = folder / "tracebase" / "complete" / kind
        place.mkdir(parents=True)
        watts = generator.integers(0, 2000, HOURS * 360).tolist()
        lines = [
            f"05/12/2011 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02};{watts[second // 10]};0"
            for second in range(0, HOURS * 3600, 10)
        ]
        (place / f"dev_{kind[:2]}1_2011.12.05.csv").write_text("\n".join(lines) + "\n")
    return folder


def _hearth(*words: str | Path) -> list[str]:
    return [*hearth_command(), "household", *map(str, words)]


def _until(what: str, holds: object) -> None:
    deadline = time.monotonic() + 120
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@contextmanager
def _collector(broker: str, household: Path, guard: Guard) -> Iterator[subprocess.Popen[str]]:
    ready = household.with_name("ready")
    command = _hearth("collect", "--broker", broker, "--household", household, "--replayed", "--ready-file", ready)
    surroundings = {**os.environ, **guard.environment}
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, text=True) as process:
        try:
            _until("the collector listens", ready.exists)
            yield process
        finally:
            process.kill()


def test_from_plugs_to_a_trainer(played: Mosquitto, tmp_path: Path) -> None:
    broker, household = f"mqtt://127.0.0.1:{played.port}", tmp_path / "home"
    data, place = _data(tmp_path / "data"), household / READINGS
    with (
        Guard() as guard,
        _collector(broker, household, guard) as collector,
        Readings(place) as readings,
    ):

        def play(day: str) -> None:
            surroundings = {**os.environ, **guard.environment, "HEARTH_DATA_DIR": str(data)}
            words = ("simulate", "--broker", broker, "--plugs", "2", "--speed", "0", "--first-day", day)
            done = subprocess.run(_hearth(*words), env=surroundings, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr

        end = FIRST + HOURS * 3600
        play("2026-11-28")
        _until("all of it is stored", lambda: readings.last_heard() == end - 10)
        coffee, dishes = readings.appliances()
        assert (coffee.suggested_kind, dishes.suggested_kind) == ("Coffeemaker", "Dishwasher")
        assert not list(household.rglob("*.safetensors")), "everything is off at first"
        for plug in (coffee, dishes):
            words = ("appliances", "assign", str(plug.number), "--kind", str(plug.suggested_kind))
            assign = _hearth(*words, "--purpose", "type-60", "--household", household)
            subprocess.run(assign, check=True, capture_output=True)
        path = file_of(household, Purpose.TYPE_HOUR)
        loader = FileLoader(path, 2**26)
        first = loader.load()
        assert len(first) == 2 * HOURS

        play("2026-11-29")  # other hours of the same numbers are no other examples, except for one
        _until("the next day is stored", lambda: readings.last_heard() == end + 24 * 3600 - 10)
        collector.send_signal(signal.SIGTERM)
        told, _ = collector.communicate()
        assert collector.returncode == 0, told

    examples = loader.load()
    assert examples.arrays["inputs"][: len(first)].tobytes() == first.arrays["inputs"].tobytes()
    model, learning, _ = appliances_terms()
    trainer = HouseholdTrainer(model, loader, 4_000, print, Coins(lambda: b"household"), by_appliance=True)
    assert trainer.check() == len(examples)
    parameters = np.zeros(dimension_of(model), dtype=np.float32)
    sent = select(ZERO_DIGEST, model, learning, 1)
    training = trainer.train(Assignment(parameters, learning, sent, SeededRandomness(b"seed"), "round"))
    assert np.isfinite(training.delta).all() and training.delta.any()
