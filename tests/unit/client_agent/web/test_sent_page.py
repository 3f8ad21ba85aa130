"""The page of what left the phone: every request by kind, and the attacks, which run when their owner asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from client_agent.attacks.own_phone import Attack
from client_agent.sent_requests import Asked
from client_agent.web.attacks import Attacks, Report
from client_agent.web.worker import Answer
from protocol.errors import MalformedError
from protocol.model.dataset import encode_labelled
from tests.unit.client_agent.web.scene_home import Browser, PlayedHome, is_asked


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedHome]:
    found = PlayedHome(tmp_path)
    generator = np.random.default_rng(3)
    inputs, labels = generator.normal(0, 2, (48, 6)).astype(np.float32), generator.integers(0, 3, 48)
    found.data.write_bytes(encode_labelled(inputs, labels))
    found.home.start()
    found.home.take(found.invitation)
    found.until(lambda: is_asked(found))
    found.home.answer(1, Answer(yes=True))
    found.until(lambda: found.progress.standing is not None and found.progress.standing.enrolled is not None, 5)
    yield found
    found.close()


def is_done(played: PlayedHome) -> bool:
    report = played.home.attacks.of(1)
    return report is not None and not report.running


def test_requests_and_attacks_are_on_the_page(played: PlayedHome) -> None:
    browser = Browser(played.app, played.devices)
    assert "None was counted yet." in browser.get("/tasks/1/sent")
    for kind in Asked:
        played.requests.add(kind, 1234)
    browser.send("/tasks/1/attack")
    played.until(lambda: is_done(played))
    assert "your phone was in no round" in browser.get("/tasks/1/sent")
    played.play_round()
    browser.send("/tasks/1/attack")
    played.until(lambda: is_done(played))
    page = " ".join(browser.get("/tasks/1/sent").split())
    assert page.count("within the promise") == 2 and "keeps no example out of the training" in page
    assert "48 examples, 1 round, 40 rehearsals" in page
    for words in (
        "the code of the appliance",
        "to enrol",
        "is there a new round?",
        "to be paid",
        "node, transactions too",
    ):
        assert words in page
    assert "wie versprochen" in browser.get("/tasks/1/sent?lang=de")


def test_what_goes_wrong_is_shown_and_one_runs_at_a_time() -> None:
    work, told = list[Callable[[], None]](), list[int]()
    attacks = Attacks(work.append, lambda: told.append(1))

    def fails() -> tuple[Attack, ...]:
        raise MalformedError("an <b>example</b> of another shape")

    assert attacks.start(1, fails) and not attacks.start(2, tuple)
    assert attacks.of(1) == Report(running=True) and attacks.of(2) is None and not told
    work.pop()()
    assert attacks.of(1) == Report(trouble="an <b>example</b> of another shape") and told
    assert attacks.start(2, tuple)
