"""The consent screen says all of a disclosure, and nothing is sent before its owner says yes there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from client_agent.consent import Disclosure
from client_agent.web.consent_view import consent_view
from client_agent.web.observer import Strength
from client_agent.web.worker import Stage
from protocol.identifiers import to_hex
from protocol.messages.screening_terms import ScreeningTerms
from protocol.privacy.mechanisms import unit_of
from tests.unit.client_agent.scene_consent import SPEC, told_of
from tests.unit.client_agent.web.scene_home import Browser, PlayedHome, is_asked

HOSTILE = '<script>alert("now")</script>\u202e'


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedHome]:
    found = PlayedHome(tmp_path)
    found.home.start()
    yield found
    found.close()


def asked(played: PlayedHome) -> Browser:
    browser = Browser(played.app, played.devices)
    browser.get("/tasks/find")
    browser.send("/tasks/join", invitation=str(played.invitation))
    played.until(lambda: is_asked(played))
    return browser


def test_every_field_of_a_disclosure_is_on_the_page(played: PlayedHome) -> None:
    """Each is changed, and the page with it."""
    browser = asked(played)
    worker, told = played.home.worker(1), told_of(SPEC)
    worker.progress = replace(worker.progress, disclosure=told)
    before = browser.get("/tasks/1")
    for field in fields(Disclosure):
        other = _other(getattr(told, field.name), told)
        if other is None:
            continue
        worker.progress = replace(worker.progress, disclosure=replace(told, **{field.name: other}))
        page = browser.get("/tasks/1")
        assert _bare(page) != _bare(before), f"{field.name} is not on the page"


def _other(value: Any, told: Disclosure) -> Any:
    """A value that differs in all that could be shown of it."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1_000_003
        case str():
            return value + "!"
        case bytes():
            return bytes(len(value))
        case ():
            return None
        case (bytes() as first, *_):
            return (bytes(len(first)),)
        case (str(), *rest):
            return ("something that no version of this page knows", *rest)
        case (_, *_):
            return (*value[:2], replace(value[2], figure=replace(value[2].figure, epsilon_micro=123_456_789)))
    if value is told.rewards:
        return replace(told.rewards, participation=told.rewards.participation + 1_000_003)
    if value is told.reputation:
        return replace(told.reputation, maximum=told.reputation.maximum + 93)
    if value is told.mechanism:
        return replace(told.mechanism, clip_micro=told.mechanism.clip_micro + 7_000_000)
    if value is told.bayesian:
        return replace(told.bayesian, held_out_ppm=654_321)
    if value is told.screening:
        return ScreeningTerms("foolsgold", 100, 50, 10)
    if value in (told.data_set_figure, told.data_set_after):
        return replace(told.data_set_figure, epsilon_micro=123_456_789)
    raise AssertionError(f"{value!r}: nothing to change it to")


def test_a_screened_task_says_what_it_opens(played: PlayedHome) -> None:
    browser, worker = asked(played), played.home.worker(1)
    assert "How updates are compared" not in browser.get("/tasks/1")
    screened = replace(told_of(SPEC), screening=ScreeningTerms("foolsgold", 1_234, 50, 12, 1))
    worker.progress = replace(worker.progress, disclosure=screened)
    page = browser.get("/tasks/1")
    for said in (
        "How many examples you have is no secret here", "of up to 12 rounds", "The first 1 round moves no model",
        "Rule foolsgold", "1,234 units",
    ):  # fmt: skip
        assert said in page


def _bare(page: str) -> str:
    """Without what is new in each answer."""
    return "\n".join(line for line in page.splitlines() if 'name="csrf"' not in line and "since=" not in line)


def test_the_page_names_accounts_and_servers(played: PlayedHome) -> None:
    page = asked(played).get("/tasks/1")
    for address in (*played.server.spec.edge_servers, *played.server.spec.committee.members, played.home.client):
        assert to_hex(address) in page
    assert unit_of(played.server.spec.learning.mechanism) == "example" and "one single example" in page


def test_nothing_is_sent_before_the_owner_says_yes(played: PlayedHome) -> None:
    browser = asked(played)
    before = len(played.server.chain.events())
    played.until(lambda: played.server.chain.time > 900, 50)
    assert len(played.server.chain.events()) == before and len(played.server.store.objects) == 2
    browser.get("/tasks/1")
    browser.send("/tasks/1/answer", answer="yes")
    played.until(lambda: played.progress.standing is not None and played.progress.standing.enrolled is not None, 5)


def test_no_is_an_answer(played: PlayedHome) -> None:
    browser = asked(played)
    browser.get("/tasks/1")
    browser.send("/tasks/1/answer", answer="no")
    assert played.home.workers == {} and played.home.state.tasks == {}
    assert browser.get("/tasks/1", 404)
    played.server.chain.time += 1000
    assert len(played.server.chain.events()) == 3


def test_an_answer_of_anything_else_is_no(played: PlayedHome) -> None:
    browser = asked(played)
    browser.get("/tasks/1")
    browser.send("/tasks/1/answer", answer="YES")
    assert played.home.workers == {}


def test_a_task_without_a_guarantee_needs_another_word(played: PlayedHome) -> None:
    browser, worker = asked(played), played.home.worker(1)
    assert worker.progress.disclosure is not None
    worker.progress = replace(worker.progress, disclosure=replace(worker.progress.disclosure, charges=()))
    assert "Nothing limits what it can reveal" in browser.get("/tasks/1")
    assert "Say that you know it" in browser.send("/tasks/1/answer", 422, answer="yes")
    assert worker.progress.stage is Stage.ASKING


def test_a_hostile_title_is_a_line_of_text(played: PlayedHome) -> None:
    browser, worker = asked(played), played.home.worker(1)
    assert worker.progress.disclosure is not None
    worker.progress = replace(worker.progress, disclosure=replace(worker.progress.disclosure, title=HOSTILE))
    for path in ("/", "/tasks", "/tasks/1"):
        page = browser.get(path)
        assert "<script>alert" not in page and "\u202e" not in page
        assert "&lt;script&gt;alert(&#34;now&#34;)&lt;/script&gt;[U+202E]" in page


def test_the_picture_is_of_all_rounds() -> None:
    view = consent_view(told_of(SPEC))
    assert view.whole is not None and view.figure == view.whole.figure
    assert view.even.before_of_100 == 50 < view.even.after_of_100
    assert view.strength in (Strength.FAIR, Strength.WEAK)
    assert consent_view(replace(told_of(SPEC), charges=())).strength is Strength.NONE
