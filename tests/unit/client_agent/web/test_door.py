"""Without pairing there is nothing but the page that asks for a code, and a code cannot be guessed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from client_agent.web.door import ATTEMPTS, CODE_DIGITS, CODE_SECONDS, OPEN, Devices
from client_agent.web.frame import NamesOfTheHome
from tests.unit.client_agent.web.scene_home import ORIGIN, Browser, PlayedHome


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedHome]:
    found = PlayedHome(tmp_path)
    yield found
    found.close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_every_route_but_the_open_ones_is_closed(played: PlayedHome) -> None:
    stranger = TestClient(played.app, ORIGIN, follow_redirects=False)
    paths = {getattr(route, "path", "") for route in played.app.routes} - {""}
    assert len(paths) > 20
    for path in sorted(paths):
        asked = path.replace("{task}", "1").replace("{number}", "1").replace("{name}", "pages.css")
        status = stranger.get(asked).status_code
        if path in OPEN or path.startswith("/static/"):
            assert status in (200, 403), path  # 403: a link without its token
        else:
            assert (status, stranger.get(asked).headers["location"]) == (303, "/pair"), path


def test_a_wrong_link_opens_nothing(played: PlayedHome) -> None:
    stranger = TestClient(played.app, ORIGIN)
    assert stranger.get("/open?token=" + "0" * 64).status_code == 403
    assert stranger.get("/open").status_code == 403
    assert "Today at your home" not in stranger.get("/").text


def test_a_paired_browser_stays_so_when_the_program_starts_again(played: PlayedHome) -> None:
    browser = Browser(played.app, played.devices)
    assert "Today at your home" in browser.page
    played.close()
    played.open()
    again = TestClient(played.app, ORIGIN, cookies=browser.client.cookies)
    assert "Today at your home" in again.get("/").text
    played.home.book.drop_devices()
    assert "Today at your home" not in again.get("/").text


def test_a_code_opens_once(played: PlayedHome) -> None:
    clock = Clock()
    devices = Devices(played.home.book, played.randomness, clock)
    assert not devices.take_code("")  # none was shown
    code = devices.new_code()
    assert len(code) == CODE_DIGITS and code.isdecimal()
    assert devices.take_code(f" {code[:4]} {code[4:]} ")
    assert not devices.take_code(code)


def test_a_code_is_for_minutes_and_for_a_few_attempts(played: PlayedHome) -> None:
    clock = Clock()
    devices = Devices(played.home.book, played.randomness, clock)
    code = devices.new_code()
    clock.now = CODE_SECONDS + 1.0
    assert not devices.take_code(code)
    code = devices.new_code()
    for _ in range(ATTEMPTS):
        assert not devices.take_code("x")
    assert not devices.take_code(code)
    assert devices.take_code(devices.new_code())


def test_a_secret_is_kept_as_its_digest_alone(played: PlayedHome) -> None:
    secret = played.devices.pair()
    assert played.devices.knows(secret) and not played.devices.knows("") and not played.devices.knows(secret[:-1])
    assert all(secret not in repr(entry) for entry in played.records._entries)


@pytest.mark.parametrize(
    ("name", "known"),
    [("192.168.1.7", True), ("[fe80::1]", True), ("hearth.local", True), ("evil.example", False), ("localhost", True)],
)
def test_names_on_the_home_network(name: str, known: bool) -> None:
    assert (name in NamesOfTheHome(("hearth.local",))) is known
