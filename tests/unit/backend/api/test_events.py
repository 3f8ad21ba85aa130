"""Events as a stream: all of them in order, resumed without a gap, and no server that waits for its readers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from backend.api.directory import BOARD_SECONDS, DriverDirectory
from backend.api.news import event_id, kind_of, known_to, last_id, news_since
from protocol.canonical import encode
from protocol.messages.chain import Claimed, Event, RoundOpened, TaskPosted
from protocol.round.planning import terms_of
from tests.unit.backend.api.scene_api import enrolling, played
from tests.unit.backend.api.serving import serving

PATH = "/api/v1/tasks/1/events"


def read(stream: bytes) -> list[tuple[str, str, dict[str, Any]]]:
    """Event, id and data of each whole message."""
    found = re.findall(rb"event: (\S+)\ndata: (.*)\nid: (\S+)\n", stream)
    return [(name.decode(), place.decode(), json.loads(data)) for name, data, place in found]


def test_the_whole_history_then_the_state() -> None:
    api = played()
    events = api.scene.driver.tasks()[1].events  # type: ignore[index]
    with serving(api.app) as server:
        found = read(server.stream(f"{PATH}?since=start").until(b"event: state\n"))
    assert [(name, place) for name, place, _ in found[: len(events)]] == [(kind_of(e), event_id(e)) for e in events]
    published = next(data for name, _, data in reversed(found) if name == "round_published")
    assert published["facts"]["allocated"] == str(sum(api.scene._owed().values()))
    assert (published["task"], published["facts"]["round"]) == (1, 2)


def test_a_new_reader_gets_the_present_and_then_what_happens() -> None:
    api = enrolling()
    with serving(api.app) as server:
        opened = server.stream(PATH)
        first = opened.until(b"retry: ")
        assert b"event: state" in first and b"event: enrolled" not in first
        api.scene.announced(1)
        news = opened.until(b"event: round_opened\n")
        assert b"event: roster_posted" in news
        opened.until(b'"rounds":1,')


def test_a_reader_that_comes_back_misses_nothing() -> None:
    api = played()
    events = api.scene.driver.tasks()[1].events  # type: ignore[index]
    with serving(api.app) as server:
        last = event_id(events[4])
        found = read(server.stream(PATH, f"Last-Event-ID: {last}").until(b"event: state\n"))
        assert [place for _, place, _ in found[: len(events) - 5]] == [event_id(event) for event in events[5:]]
        lost = read(server.stream(PATH, "Last-Event-ID: 7-7-abcd").until(b"event: state\n"))
        assert [name for name, _, _ in lost[:2]] == ["reorganised", kind_of(events[0])]


def test_a_stream_of_no_task_is_refused_before_it_begins() -> None:
    answer = played().client.get("/api/v1/tasks/9/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "E_NOT_FOUND")


def test_an_open_stream_ends_when_its_server_stops() -> None:
    """Without the word of the server it would be cut off after the grace period, and its reader would see an error."""
    api = enrolling()
    with mock.patch("backend.process.STOP_SECONDS", None), serving(api.app) as server:
        opened = server.stream(PATH)
        opened.until(b"event: state\n")
        assert server.stop()
        assert opened.until(b"0\r\n\r\n")


def test_a_stream_that_does_not_end_keeps_no_server() -> None:
    api = enrolling()
    with serving(api.app) as server:
        server.server._stopping = None
        opened = server.stream(PATH)
        opened.until(b"event: state\n")
        assert server.stop()


ALL = "/api/v1/events"


def test_a_stream_of_all_tasks_begins_with_their_number_and_tells_what_happens() -> None:
    api = enrolling()
    with serving(api.app) as server:
        opened = server.stream(ALL)
        first = opened.until(b"retry: ")
        assert b'event: tasks\ndata: {"tasks":1}' in first
        api.scene.announced(1)
        assert b"event: roster_posted" in opened.until(b"event: round_opened\n")
        summary = json.loads(opened.until(b"event: state\n") and opened.until(b"\n").removeprefix(b"data: "))
        assert (summary["task"], summary["rounds"]) == (1, 1)


def test_a_task_that_is_posted_is_news() -> None:
    api = enrolling()
    with serving(api.app) as server:
        opened = server.stream(ALL)
        opened.until(b'"tasks":1')
        spec = replace(api.scene.spec, title="another one")
        api.scene.store.put(encode(spec))
        api.scene.bank.post_task(terms_of(spec), spec.budget())
        api.scene.step()
        opened.until(b"event: task_posted\n")
        opened.until(b'"tasks":2')
        assert b'"task":2' in opened.until(b"retry: ") + opened.until(b"retry: ")


def test_who_comes_back_to_all_tasks_misses_nothing() -> None:
    api = played()
    events = api.scene.driver.tasks()[1].events  # type: ignore[index]
    with serving(api.app) as server:
        found = read(server.stream(f"{ALL}?since=start").until(b"event: state\n"))
        assert [place for _, place, _ in found[: len(events)]] == [event_id(event) for event in events]
        found = read(server.stream(ALL, f"Last-Event-ID: {event_id(events[4])}").until(b"event: state\n"))
        assert [place for _, place, _ in found[:-1]] == [event_id(event) for event in events[5:]]
        lost = read(server.stream(ALL, "Last-Event-ID: 7-7-abcd").until(b"event: state\n"))
        assert (lost[0][0], lost[0][2], lost[1][0]) == ("reorganised", {"task": None, "block": 0}, kind_of(events[0]))
        present = server.stream(ALL, f"Last-Event-ID: {event_id(events[-1])}").until(b"retry: ")
        assert b"event: tasks" in present, "and nothing else"


def test_a_server_that_is_starting_has_no_stream_of_all_tasks() -> None:
    api = enrolling()
    with mock.patch.object(api.scene.driver, "tasks", return_value=None):
        answer = api.client.get(ALL)
    assert (answer.status_code, answer.json()["code"]) == (503, "E_STARTING")


def test_all_who_follow_all_tasks_share_one_look_at_them() -> None:
    api, now = enrolling(), [0.0]
    directory = DriverDirectory(api.scene.driver, lambda: now[0])
    with mock.patch.object(api.scene.driver, "tasks", wraps=api.scene.driver.tasks) as tasks:
        first = directory.board()
        assert directory.board() is first and tasks.call_count == 1
        now[0] += BOARD_SECONDS
        assert directory.board() is first, "nothing has changed"
        api.scene.announced(1)
        now[0] += BOARD_SECONDS
        assert directory.board() is not first
    assert [event.block for event in first.events] == sorted(event.block for event in first.events)


def chain(numbers: list[int]) -> tuple[Event, ...]:
    """One event in each block, of one of several branches."""
    return tuple(_event(place, number) for place, number in enumerate(numbers))


def _event(block: int, branch: int) -> Event:
    return RoundOpened(
        block=block,
        log_index=0,
        transaction=bytes([branch]) * 32,
        task=1,
        round=1,
        plan=bytes(32),
        label=bytes(32),
        cohort_root=bytes(32),
        cohort=3,
        beacon=bytes(32),
        commit_until=1,
        settle_until=2,
    )


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_whatever_the_chain_does_a_reader_ends_with_its_events(before: list[int], after: list[int]) -> None:
    known, events = chain(before), chain(after)
    mine = list(known)
    for news in news_since(1, known, events):
        if news.event == "reorganised":
            block = news.data.model_dump()["block"]
            mine = [event for event in mine if event.block < block]
        else:
            mine.append(next(event for event in events if event_id(event) == news.id))
    assert tuple(mine) == events
    assert known_to(last_id(events), events) == events


def test_facts_are_the_events_own_fields() -> None:
    claimed = Claimed(
        block=1,
        log_index=2,
        transaction=bytes(32),
        task=1,
        client=b"\1" * 20,
        amount=10**30,
        cumulative=10**30,
        reputation=3,
        freed=True,
    )
    (news,) = news_since(1, (), (claimed,))
    assert news.data.model_dump()["facts"] == {
        "client": "0x" + "01" * 20,
        "amount": str(10**30),
        "cumulative": str(10**30),
        "reputation": 3,
        "freed": True,
    }


def test_a_posted_task_names_its_spec() -> None:
    posted = next(event for event in played().scene.driver.tasks()[1].events if isinstance(event, TaskPosted))  # type: ignore[index]
    (news,) = news_since(1, (), (posted,))
    assert news.data.model_dump()["facts"]["spec"] == "0x" + posted.terms.spec.hex()
