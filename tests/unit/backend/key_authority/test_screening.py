"""Screened rounds at a key authority: its openings, the key that follows, its histories, whoever was away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from backend.key_authority.histories import Settlement
from protocol.canonical import decode
from protocol.errors import HearthError, Party
from protocol.messages.issued import IssuedRecord
from protocol.messages.keys import PartialKeyAnswer, SignedSighting
from protocol.messages.screening import GRAM_KIND, OpeningAnswer
from protocol.model.specification import dimension_of
from protocol.round.sightings import sighting
from protocol.round.state_table import RoundState
from protocol.screening.windows import half_of
from protocol.signing import verify
from tests.played_conduct import Conduct
from tests.unit.backend.key_authority.screened_scene import PROBATION, Screened, Watched, screened

LAST = 5
LEFT = 4  # leaves before the last round


@pytest.fixture(scope="module")
def scene() -> Screened:
    """Windows of four rounds: the first half is over with round 2, and erased with round 5."""
    made = screened("authorities in a screened task")
    made.play(1, PROBATION)
    made.play(2, Conduct(direct=(0,)))
    made.play(3, Conduct(lying=(2,)))
    made.play(4, Conduct(silent=(1,)))
    made.play(5, Conduct(leaving=(LEFT,)))
    return made


def refused(act: Callable[[], bytes]) -> HearthError:
    with pytest.raises(HearthError) as caught:
        act()
    return caught.value


def follow(scene: Screened, authority: Watched, last: int = LAST, first: int = 1) -> dict[int, bytes]:
    """It opens every round and answers every key; what it opened."""
    opened = {}
    for number in range(first, last + 1):
        opened[number] = authority.at(scene.open[number]).open(number)
        if number > 1:
            assert decode(PartialKeyAnswer, authority.at(scene.requested[number]).answer(number))
    return opened


def test_it_opens_what_the_reference_opens_and_signs_it(scene: Screened) -> None:
    """The task's own authorities keep their histories in memory, and know no chain."""
    opened = follow(scene, Watched(scene, 1))
    for number, answer in opened.items():
        told, own = decode(OpeningAnswer, answer), scene.player.spec.committee.members[0]
        (expected,) = [one for one in scene.screening(number).openings if one.statement.authority == own]
        assert told.signed == expected
        assert told.answers == scene.player.read(expected.statement.answers)


def test_who_was_away_has_the_same_histories_to_the_bit(scene: Screened) -> None:
    always, away, sums = (Watched(scene, 3) for _ in range(3))
    opened = follow(scene, always)
    assert away.at(scene.open[LAST]).open(LAST) == opened[LAST]
    away.at(scene.requested[LAST]).answer(LAST)
    for number in (2, 4, LAST):
        sums.at(scene.requested[number]).answer(number)
    assert always.kept() == away.kept() == sums.kept()


def test_the_same_request_has_the_same_answer_for_ever(scene: Screened) -> None:
    authority = Watched(scene, 1).at(scene.open[2])
    first, body = authority.open(2), scene.ask_openings(2)
    assert authority.open(2) == first
    authority.at(scene.requested[2]).answer(2)
    assert authority.open(2) == first, "its keys are gone"
    assert authority.open(2, scene.ask_openings(2, by=())) == first == authority.open(2, body)


def test_it_signs_which_request_for_openings_it_sees_once(scene: Screened) -> None:
    authority, shown = Watched(scene, 1).at(scene.open[2]), scene.gram_request(2)
    signed, own = decode(SignedSighting, authority.sight(2)), scene.player.spec.committee.members[0]
    assert signed.statement == sighting(authority.task, 2, GRAM_KIND, shown.label, shown.digest(), own)
    verify(scene.player.domain, signed.statement, signed.signature, own, Party.KEY_AUTHORITY)
    other = replace(shown, histories=shown.histories[1:], entries=shown.entries[1:])
    assert refused(lambda: authority.sight(2, other)).code == "E_NOT_RECORDED"
    authority.reader.views[2] = replace(authority.reader.views[2], screening=other.digest())
    try:
        assert refused(lambda: authority.sight(2, other)).code == "E_SIGHTED"
        assert refused(lambda: authority.open(2, scene.ask_openings(2, other))).code != "E_LABEL_USED"
    finally:
        authority.reader.views[2] = replace(authority.reader.views[2], screening=shown.digest())
    assert authority.open(2)


def test_openings_are_no_keys_that_were_issued(scene: Screened) -> None:
    authority = Watched(scene, 1)
    follow(scene, authority, 3)
    said = decode(IssuedRecord, authority.authority.issued(authority.task))
    assert [one.statement.round for one in said.issued] == [2, 3]


def test_histories_older_than_the_window_are_erased(scene: Screened) -> None:
    authority = Watched(scene, 1)
    follow(scene, authority, 4)
    before = authority.kept()
    assert {half for _, half in before} == {0, 1}
    follow(scene, authority, LAST, LAST)
    assert {half for _, half in authority.kept()} == {1, 2}


def test_who_left_has_no_history_any_more(scene: Screened) -> None:
    authority, left = Watched(scene, 1), scene.player.households[LEFT].address
    follow(scene, authority, 4)
    assert left in authority.records.histories.held(authority.task)
    authority.at(scene.open[LAST]).open(LAST)
    assert left not in authority.records.histories.held(authority.task)


def test_what_is_erased_on_request_is_not_opened_and_sums_go_on(scene: Screened) -> None:
    authority, client = Watched(scene, 1), scene.player.households[0].address
    follow(scene, authority, 3)
    authority.records.histories.forget(authority.task, [client])
    assert client not in {of for of, _ in authority.kept()}
    assert refused(lambda: authority.at(scene.open[4]).open(4)).code == "E_NOT_READY"
    assert decode(PartialKeyAnswer, authority.at(scene.requested[4]).answer(4))
    assert client not in {of for of, _ in authority.kept()}, "a half of a half window is no history"
    authority.at(scene.requested[LAST]).answer(LAST)
    assert (client, 2) in authority.kept(), "a new half window begins"


def test_it_opens_no_history_of_other_updates_than_the_chain_counts(scene: Screened) -> None:
    """Else it would sign a lie, though an honest one."""
    authority, terms = Watched(scene, 1), scene.player.spec.screening
    follow(scene, authority, 3)
    verdict, dimension = scene.screening(4).verdict, dimension_of(scene.player.spec.model)
    nothing = Settlement(4, half_of(4, terms.window), verdict, {}, {}, None, dimension)
    authority.records.histories.settle(authority.task, nothing)
    assert refused(lambda: authority.at(scene.open[LAST]).open(LAST)).code == "E_NOT_READY"


def test_without_a_clients_share_nothing_of_its_history_is_kept(scene: Screened) -> None:
    """It came to a threshold of authorities, and not to this one."""
    authority, client = Watched(scene, 1, without=frozenset({1})), scene.player.households[1].address
    assert refused(lambda: authority.at(scene.open[2]).open(2)).code == "E_SHARE_MISSING"
    assert refused(lambda: authority.at(scene.requested[2]).answer(2)).code == "E_SHARE_MISSING"
    assert decode(PartialKeyAnswer, authority.at(scene.requested[4]).answer(4)), "client 1 was silent"
    assert client not in authority.records.histories.held(authority.task)
    assert {of for of, _ in authority.kept()} == {house.address for house in scene.player.households} - {client}


def test_a_round_that_is_over_is_not_opened(scene: Screened) -> None:
    authority = Watched(scene, 1).at(scene.requested[2])
    assert authority.reader.views[2].state is RoundState.PUBLISHED
    assert refused(lambda: authority.open(2)).code == "E_EXPIRED"
    late = scene.open[2]
    clock, late.clock = late.clock, late.views[2].settle_until + 1
    try:
        assert refused(lambda: authority.at(late).open(2)).code == "E_EXPIRED"
    finally:
        late.clock = clock


def test_a_screened_task_takes_a_store(scene: Screened) -> None:
    authority = Watched(scene, 1).at(scene.open[2])
    authority.authority._screened._evidence._store = None
    error = refused(lambda: authority.open(2))
    assert (error.code, error.fault) == ("E_NO_STORE", Party.KEY_AUTHORITY)
    with pytest.raises(HearthError, match="E_NO_STORE"):
        authority.authority._screened.check_task(scene.player.spec)
