"""A round whose key was requested and that nobody finished: what its openings said may be withheld for ever."""

from __future__ import annotations

import pytest

from backend.key_authority.histories import Settlement
from protocol.canonical import decode
from protocol.messages.screening import OpeningAnswer
from protocol.model.specification import dimension_of
from protocol.round.screening_request import windows_before
from protocol.screening.windows import half_of
from tests.played_conduct import EXPIRED, Conduct
from tests.unit.backend.key_authority.screened_scene import PROBATION, TERMS, Screened, Watched, screened

LOST, LAST, WINDOW = 3, 6, TERMS.window


@pytest.fixture(scope="module")
def scene() -> Screened:
    made = screened("authorities and a round that nobody finished")
    made.play(1, PROBATION)
    made.play(2, Conduct())
    made.play(LOST, Conduct(end=EXPIRED))
    for number in range(LOST + 1, LAST + 1):
        made.play(number, Conduct())
    return made


def follow(scene: Screened, authority: Watched, *numbers: int) -> None:
    for number in numbers:
        authority.at(scene.open[number]).open(number)
        if number > 1:
            authority.at(scene.requested[number]).answer(number)


def test_no_history_reaches_over_it(scene: Screened) -> None:
    opened = {number: len(scene.gram_request(number).histories) for number in scene.open}
    everybody = len(scene.player.households)
    assert opened == {1: 0, 2: 0, LOST + 1: 0, LOST + 2: 0, LAST: everybody}
    spec = scene.player.spec
    assert not any(windows_before(scene.state, spec, LOST + 1).count(h.address) for h in scene.player.households)


def test_who_answered_before_it_goes_on_with_everybody_else(scene: Screened) -> None:
    always, away = Watched(scene, 1), Watched(scene, 1)
    follow(scene, always, 1, 2)
    answered = Settlement(LOST, half_of(LOST, WINDOW), None, {}, {}, None, dimension_of(scene.player.spec.model))
    always.records.histories.settle(always.task, answered)
    assert {half for _, half in always.kept()} == {0}
    follow(scene, always, LOST + 1)
    assert {half for _, half in always.kept()} == {1}, "what was before is erased"
    follow(scene, always, LOST + 2)
    first = always.at(scene.open[LAST]).open(LAST)
    assert away.at(scene.open[LAST]).open(LAST) == first
    own = scene.player.spec.committee.members[0]
    (expected,) = [one for one in scene.screening(LAST).openings if one.statement.authority == own]
    assert decode(OpeningAnswer, first).signed == expected
