"""A task on its page, from yes to the last payment, through kills, pauses and leaving."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from client_agent.data.loader import DataMissingError
from client_agent.web.book import News
from client_agent.web.departures import Found, Thing, checked, departures_of
from client_agent.web.worker import Answer, Stage
from protocol.content.cid import Cid
from protocol.errors import HearthError
from protocol.invitation import Invitation
from tests.samples import DOMAIN, private_key
from tests.unit.client_agent.scene_server import ROUNDS
from tests.unit.client_agent.web.scene_home import Browser, PlayedHome, is_asked


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedHome]:
    found = PlayedHome(tmp_path)
    found.home.start()
    yield found
    found.close()


def join(played: PlayedHome) -> None:
    played.home.take(played.invitation)
    played.until(lambda: is_asked(played))
    played.home.answer(1, Answer(yes=True))
    played.until(lambda: played.progress.standing is not None and played.progress.standing.enrolled is not None, 5)


def told(played: PlayedHome, kind: News) -> list[int]:
    return [one.number for one in played.home.state.notices if one.kind == kind]


def test_a_kill_anywhere_loses_nothing(played: PlayedHome) -> None:
    join(played)
    for number in range(1, ROUNDS + 1):
        played.play_round()
        played.close()
        played.open()
        played.home.start()
        played.until(lambda: played.progress.standing is not None)
        assert sorted(played.progress.standing.sealed if played.progress.standing else ()) == list(range(1, number + 1))
    played.until(lambda: played.progress.stage is Stage.OVER, 500)
    standing = played.progress.standing
    assert standing is not None and standing.paid == standing.earned > 0
    assert told(played, News.JOINED) == [1, 2, 3]
    played.until(lambda: told(played, News.OVER) == [0])
    assert len(told(played, News.PAID)) == len(told(played, News.ASKED)) == 1


def test_a_paused_phone_leaves_rounds_out_and_stays_paused(played: PlayedHome) -> None:
    join(played)
    played.home.pause(1, True)
    played.until(lambda: played.progress.stage is Stage.PAUSED)
    played.close()
    played.open()
    played.home.start()
    played.until(lambda: played.progress.stage is Stage.PAUSED)
    played.server.open()
    played.server.chain.time += 200
    assert played.server.submitted == {}
    played.home.pause(1, False)
    played.until(lambda: played.progress.stage is Stage.WORKING)


def test_leaving_is_known_on_chain_and_told(played: PlayedHome) -> None:
    join(played)
    played.home.leave(1)
    played.until(lambda: told(played, News.LEFT) == [0])
    played.until(lambda: played.progress.standing is not None and played.progress.standing.left, 5)
    assert played.home.state.tasks[1].left


def test_what_left_is_what_the_store_has(played: PlayedHome) -> None:
    join(played)
    played.play_round()
    worker, standing = played.home.worker(1), played.progress.standing
    assert worker.phone is not None and standing is not None
    journal, store = worker.phone.agent.journal, played.server.store
    things = departures_of(journal, standing)
    assert [one.thing for one in things] == [Thing.KEYS, Thing.UPDATE, Thing.COMMITMENT]
    assert all(store.get(Cid.parse(one.cid), one.size) for one in things if one.cid)
    assert {one.found for one in checked(journal, standing, store)} == {Found.SAME}
    update = things[1]
    store.objects[update.cid] = b"something else".ljust(update.size)
    assert [one.found for one in checked(journal, standing, store)] == [Found.SAME, Found.OTHER, Found.SAME]
    del store.objects[update.cid]
    assert [one.found for one in checked(journal, standing, store)] == [Found.SAME, Found.MISSING, Found.SAME]


def test_an_invitation_that_lies_is_refused_before_anything_is_shown(played: PlayedHome) -> None:
    other = Invitation(DOMAIN, 1, bytes(32), ("http://edge.example",))
    with pytest.raises(HearthError, match="the invitation says"):
        played.home.take(other)
    assert played.home.workers == {} and not played.home.state.tasks
    browser = Browser(played.app, played.devices)
    browser.get("/tasks/find")
    page = browser.send("/tasks/join", 422, invitation=str(other))
    assert "the invitation says" in page and str(other).partition("?")[0] in page  # what was typed is not lost


@pytest.mark.parametrize("trouble", [DataMissingError("the examples are <b>gone</b>"), RuntimeError("whatever")])
def test_trouble_is_shown_and_the_page_goes_on(played: PlayedHome, trouble: Exception) -> None:
    played.trouble = trouble
    played.home.take(played.invitation)
    played.until(lambda: played.progress.stage is Stage.TROUBLE)
    browser = Browser(played.app, played.devices)
    page = browser.get("/tasks/1")
    assert "It cannot go on" in page and ("&lt;b&gt;gone" in page or "whatever" in page)
    played.trouble = None
    browser.send("/tasks/1/again")
    played.until(lambda: is_asked(played))


def test_no_key_is_on_a_page_or_in_the_archive(played: PlayedHome) -> None:
    join(played)
    played.play_round()
    browser = Browser(played.app, played.devices)
    worker = played.home.worker(1)
    assert worker.phone is not None
    journal = worker.phone.agent.journal
    secrets = [private_key("client", 0), *journal._keys(journal._folded.state, 2).values()]
    pages = [browser.get(path) for path in ("/", "/tasks/1", "/tasks/1/sent", "/earnings", "/settings", "/privacy")]
    browser.get("/settings")
    token = browser.page.partition('name="csrf" value="')[2].partition('"')[0]
    archive = zipfile.ZipFile(BytesIO(browser.client.post("/export", data={"csrf": token}).content))
    names = archive.namelist()
    assert {"policy.toml", "privacy.json", "tasks/1/consent.txt", "tasks/1/sent.json", "missing.json"} <= set(names)
    assert json.loads(archive.read("missing.json")) == []
    everything = "".join([*pages, *(archive.read(name).decode() for name in names)])
    assert all(secret.hex() not in everything for secret in secrets)
