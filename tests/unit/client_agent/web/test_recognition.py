"""The newest model's names for plugs are on the pages: fetched once, checked, computed once, and nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from client_agent.recognition import Recognised, recognise
from client_agent.web import recognition as shown
from client_agent.web.recognition import AGAIN_SECONDS, Naming, Recognition
from client_agent.web.standing import Standing
from protocol.messages.chain import RoundPublished
from protocol.messages.learning import ModelSpec
from protocol.model.layout import Layout
from protocol.task.fold import fold
from protocol.task.state import TaskState
from storage.content.memory import MemoryStore
from tests.unit.client_agent.scene_recognition import MODEL, by_power
from tests.unit.client_agent.scene_server import PHONE, PlayedServer
from tests.unit.client_agent.web.scene_home import NOON, Browser, PlayedHome, plug_in

DOCUMENT = Layout.of(MODEL).to_safetensors(by_power())


class Scene:
    """``work``: what was begun and waits to be done; ``asked``: CIDs that the store was asked for."""

    def __init__(self) -> None:
        self.server, self.now, self.told = PlayedServer(), 0.0, 0
        self.publish()
        self.work = list[Callable[[], None]]()
        self.recognition = Recognition(self.store, self.work.append, self.changed, lambda: self.now)

    @property
    def store(self) -> MemoryStore:
        return self.server.store

    def changed(self) -> None:
        self.told += 1

    def publish(self) -> None:
        self.server.open()
        self.server.commit_batch()
        self.server.publish()
        self.digest = self.store.put(DOCUMENT).digest

    def standing(self, model: ModelSpec = MODEL) -> Standing:
        """As if the sample task's last model were one that names appliances."""
        events = self.server.chain.events()
        named = [
            replace(one, model=self.digest, correct=3, examples=4) if isinstance(one, RoundPublished) else one
            for one in events
        ]
        spec = replace(self.server.spec, model=model)
        state = cast(TaskState, SimpleNamespace(spec=spec, rounds=fold(1, named).rounds))
        return Standing(PHONE.address, state, 0, "Names", {}, {}, {}, (), (), ())

    def naming(self) -> Naming:
        return self.recognition.naming([(1, self.standing())])

    def do(self) -> None:
        while self.work:
            self.work.pop()()


def test_a_model_is_fetched_once_and_beside_the_page() -> None:
    scene = Scene()
    assert scene.naming().parameters is None and scene.naming().published is not None
    assert len(scene.work) == 1, "nobody asks twice"
    scene.do()
    found = scene.naming()
    assert scene.told == 1 and not scene.work
    assert found.parameters is not None and found.parameters.tobytes() == by_power().tobytes()
    assert found.published is not None and found.published.accuracy == 0.75


@pytest.mark.parametrize("spoilt", [b"", b"x" * 100, b"x" * 10_000_000])
def test_a_store_that_lies_is_not_believed_and_is_asked_again_later(spoilt: bytes) -> None:
    scene = Scene()
    kept = {cid: data for cid, data in scene.store.objects.items() if data == DOCUMENT}
    scene.store.objects.update(dict.fromkeys(kept, spoilt))
    scene.naming()
    scene.do()
    assert scene.naming().trouble and scene.naming().parameters is None and not scene.work
    scene.store.objects.update(kept)
    scene.now = AGAIN_SECONDS
    scene.naming()
    scene.do()
    assert scene.naming().parameters is not None and not scene.naming().trouble


def test_the_same_windows_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, played, counted = Scene(), PlayedHome(tmp_path), list[int]()
    plug_in(played.readings, "fridge", lambda _: 90.0)
    (plug,) = played.readings.appliances()
    scene.naming()
    scene.do()
    real = recognise

    def counting(*given: Any) -> Recognised:
        counted.append(1)
        return real(*given)

    monkeypatch.setattr(shown, "recognise", counting)
    for _ in range(3):
        found = scene.recognition.of(scene.naming(), played.readings, plug)
    assert found is not None and found.first is not None and counted == [1]
    assert (found.first.kind, found.first.hours, found.hours, found.sure) == ("Refrigerator", 48, 48, True)
    played.close()


def test_a_task_of_something_else_names_nothing() -> None:
    scene = Scene()
    assert scene.recognition.naming([(1, scene.standing(scene.server.spec.model))]) == Naming()
    assert scene.recognition.naming([]) == Naming() and not scene.work


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedHome]:
    found = PlayedHome(tmp_path)
    yield found
    found.close()


def test_a_family_reads_it_with_every_use_off(played: PlayedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.naming()
    scene.do()
    played.home.recognition = scene.recognition
    monkeypatch.setattr(type(played.home), "naming", lambda _: scene.naming())
    fridge = plug_in(played.readings, "fridge", lambda _: 90.0)
    mixed = plug_in(played.readings, "mixed", lambda at: 90.0 if at // 3600 % 2 else 2000.0)
    plug_in(played.readings, "off", lambda _: 0.0)
    played.readings.assign(fridge, "Refrigerator", "", [], NOON)
    played.readings.assign(mixed, "Lamp", "", [], NOON)
    browser = Browser(played.app, played.devices)
    for path in ("/", "/appliances"):
        page = " ".join(browser.get(path).split())
        assert "says: Fridge (48 of 48 hours)." in page and "as you say" in page
        assert "is not sure: perhaps" in page and "(24 of 48 hours). Its second guess:" in page
        assert "you say something else" in page and "says nothing of it" in page
        assert "round 1" in page and "75% of the public test set" in page and "Nothing is sent for it" in page
    assert "(48 von 48 Stunden)" in browser.get(f"/appliances/{fridge}?lang=de")
    assert all(not plug.purposes for plug in played.readings.appliances())
