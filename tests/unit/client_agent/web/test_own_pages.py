"""Switches, policy and deletion: what an owner says is done, and what is wrong with it is said by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from client_agent.data.intake.plugs import Purpose
from client_agent.web.today import chart_of
from tests.unit.client_agent.web.scene_home import NOON, Browser, PlayedHome, plug_in, policy_text

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedHome]:
    found = PlayedHome(tmp_path)
    yield found
    found.close()


def test_every_use_is_off_until_its_owner_switches_it_on(played: PlayedHome) -> None:
    number = plug_in(played.readings, "kettle", lambda at: 2000.0 if at // 60 % 10 == 0 else 0.0)
    browser = Browser(played.app, played.devices)
    assert " checked" not in browser.get(f"/appliances/{number}")
    browser.send(f"/appliances/{number}", kind="WaterKettle", brand="Example", purpose=["type-60", "next-hour"])
    (plug,) = played.readings.appliances()
    assert (plug.kind, plug.brand) == ("WaterKettle", "Example")
    assert plug.purposes == {Purpose.TYPE_HOUR, Purpose.NEXT_HOUR}
    assert played.readings.examples(Purpose.NEXT_HOUR) > 0 == played.readings.examples(Purpose.TYPE_FOUR_HOURS)
    browser.get(f"/appliances/{number}")
    browser.send(f"/appliances/{number}", kind="WaterKettle", brand="Example")
    assert played.readings.appliances()[0].purposes == frozenset()
    assert not list((played.folder.path / "examples").glob("*"))


def test_a_use_without_an_appliance_is_refused(played: PlayedHome) -> None:
    number = plug_in(played.readings, "something", lambda _: 5.0)
    browser = Browser(played.app, played.devices)
    browser.get(f"/appliances/{number}")
    assert "say what appliance it is" in browser.send(f"/appliances/{number}", 422, kind="", purpose="type-60")
    assert "is no kind of appliance" in browser.send(f"/appliances/{number}", 422, kind="Dragon", purpose="type-60")
    assert played.readings.appliances()[0].purposes == frozenset()


def test_a_hostile_plug_is_text(played: PlayedHome) -> None:
    number = plug_in(played.readings, HOSTILE, lambda _: 5.0)
    browser = Browser(played.app, played.devices)
    for path in ("/", "/appliances", f"/appliances/{number}", f"/appliances/{number}/forget"):
        assert "<script>alert" not in browser.get(path)
        assert "&lt;script&gt;alert" in browser.page


def test_what_is_wrong_with_a_policy_is_said_and_nothing_typed_is_lost(played: PlayedHome) -> None:
    browser = Browser(played.app, played.devices)
    browser.get("/policy")
    page = browser.send("/policy", 422, policy="[privacy]\ntask_epsilon = -1.0\n# mine\n")
    assert "privacy.task_epsilon" in page and "# mine" in page
    assert played.folder.policy.read_text() == policy_text()
    browser.send("/policy", policy="[privacy]\r\ntask_epsilon = 2.0\r\n")
    assert played.home.policy.privacy.task_epsilon == 2_000_000


def test_deleting_takes_readings_and_examples_and_nothing_else(played: PlayedHome) -> None:
    number = plug_in(played.readings, "kettle", lambda at: 2000.0 if at // 60 % 10 == 0 else 0.0)
    played.readings.assign(number, "WaterKettle", "", [Purpose.NEXT_HOUR], NOON)
    browser = Browser(played.app, played.devices)
    page = browser.get("/delete")
    assert "This nobody can delete" in page and "on chain" in page and "IPFS" in page
    browser.send("/delete", 422)
    assert played.readings.appliances()
    browser.get("/delete")
    browser.send("/delete", sure="1")
    assert not played.readings.appliances() and played.folder.policy.exists()
    assert not list((played.folder.path / "examples").glob("*"))


def test_a_plot_has_gaps_where_nothing_was_measured(played: PlayedHome) -> None:
    number = plug_in(played.readings, "lamp", lambda _: 60.0, days=1)
    (plug,) = played.readings.appliances()
    chart = chart_of(played.readings, plug, NOON)
    assert chart is not None and number == plug.number
    assert chart.x[0] >= NOON - 86_400 - 1800 and set(chart.series[0].values) <= {60.0, None}
    assert chart_of(played.readings, plug, NOON - 10 * 86_400) is None


def test_forgetting_a_plug(played: PlayedHome) -> None:
    number = plug_in(played.readings, "lamp", lambda _: 60.0)
    browser = Browser(played.app, played.devices)
    browser.get(f"/appliances/{number}/forget")
    browser.send(f"/appliances/{number}/forget")
    assert not played.readings.appliances()
    assert browser.get(f"/appliances/{number}", 404)
