"""An edge server that lies to a key authority about what the openings of a round say gets no key."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from protocol.canonical import decode, encode
from protocol.identifiers import ZERO_DIGEST, sha256
from protocol.messages.chain import KeyRequested, ScreeningRequested
from protocol.messages.keys import KeyRequest, PartialKeyAnswer
from protocol.messages.screening import Screening
from protocol.messages.screening_terms import ABANDON
from protocol.round.key_request import key_request
from protocol.round.state_table import RoundState
from protocol.round.unscreened import may_continue, unscreened_after
from protocol.task.documents import there
from tests.attacks.screening.server_scene import ROUND, UNOPENED, played, refused
from tests.unit.backend.key_authority.screened_scene import (
    Moment,
    Screened,
    Watched,
)


@pytest.fixture(scope="module")
def scene() -> Screened:
    return played("a lied verdict")


@pytest.fixture
def authority(scene: Screened) -> Iterator[Watched]:
    made = Watched(scene, 1)
    yield made
    made.records.close()


def keyed(scene: Screened, number: int, request: KeyRequest, moment: Moment | None = None) -> Moment:
    """The chain, had this key been requested."""
    lied = copy(moment or scene.requested[number])
    view = replace(lied.views[number], request=request.digest(), state=RoundState.REQUESTED)
    lied.views = {**lied.views, number: view}
    lied.clock = lied.views[number].settle_until
    lied.change(KeyRequested, number, request=request.digest())
    scene.player.put(encode(request))
    return lied


def refused_key(scene: Screened, authority: Watched, request: KeyRequest, number: int = ROUND) -> str:
    authority.at(keyed(scene, number, request))
    return refused(lambda: authority.answer(number, scene.ask_key(number, request)))


def test_a_key_for_others_than_the_openings_say(scene: Screened, authority: Watched) -> None:
    honest = there(scene.state.request(ROUND))
    assert len(honest.entries) > 3
    for entries in (honest.entries[1:], honest.entries[:-1]):
        assert refused_key(scene, authority, replace(honest, entries=entries)) == "E_VERDICT"
    assert authority.records.histories.settled(authority.task) == ROUND - 1
    assert decode(PartialKeyAnswer, authority.at(scene.requested[ROUND]).answer(ROUND))


def test_a_key_under_evidence_that_does_not_hold(scene: Screened, authority: Watched) -> None:
    honest, told = there(scene.state.request(ROUND)), scene.screening(ROUND)
    first, second, *others = told.openings
    (liar,) = told.accused
    verdict = replace(told.verdict, accepted=told.verdict.accepted[1:])
    lies: dict[str, tuple[Screening, set[str]]] = {
        "too few openings": (replace(told, openings=(first, second), accused=()), {"E_SHARES"}),
        "a lie among them": (
            replace(told, openings=(first, liar, second, *others), accused=()),
            {"E_SHARE_INCONSISTENT", "E_VERIFICATION"},
        ),
        "an opening of another": (
            replace(told, openings=(replace(first, signature=second.signature), second, *others)),
            {"E_VERIFICATION"},
        ),
        "another round's": (scene.screening(2), {"E_VERIFICATION"}),
        "another verdict": (replace(told, verdict=verdict), {"E_VERDICT"}),
    }
    for name, (screening, codes) in lies.items():
        scene.player.put(encode(screening))
        accepted = screening.verdict.accepted
        entries = tuple(entry for entry in honest.entries if entry.client in accepted)
        request = replace(honest, entries=entries, screening=screening.digest())
        assert refused_key(scene, authority, request) in codes, name
    missing = replace(honest, screening=sha256(b"nothing"))
    assert refused_key(scene, authority, missing) == "E_UNDERIVABLE"
    assert decode(PartialKeyAnswer, authority.at(scene.requested[ROUND]).answer(ROUND))


def test_a_key_without_a_screening_before_its_time(scene: Screened, authority: Watched) -> None:
    """What authorities may still open is not summed unscreened."""
    honest, spec = there(scene.state.request(UNOPENED)), scene.player.spec
    assert honest.screening == ZERO_DIGEST
    facts = scene.state.rounds[UNOPENED - 1]
    assert facts.requested is not None
    middle = unscreened_after(facts.opened.settle_until, spec.durations.settle_seconds)
    early = copy(scene.requested[UNOPENED])
    early.times = {**early.times, facts.requested.block: middle}
    assert refused(lambda: authority.at(early).answer(UNOPENED)) == "E_VERDICT"
    early.times[facts.requested.block] = middle + 1
    assert decode(PartialKeyAnswer, authority.at(early).answer(UNOPENED))
    assert authority.records.histories.settled(authority.task) == UNOPENED


def test_a_key_without_a_screening_for_whom_the_server_likes(scene: Screened, authority: Watched) -> None:
    honest = there(scene.state.request(UNOPENED))
    fewer = replace(honest, entries=honest.entries[1:])
    assert refused_key(scene, authority, fewer, UNOPENED) == "E_VERDICT"


def test_a_key_without_a_screening_where_nothing_was_asked(scene: Screened, authority: Watched) -> None:
    moment = copy(scene.requested[UNOPENED])
    moment.told = [event for event in moment.told if not isinstance(event, ScreeningRequested) or event.round == 2]
    assert refused(lambda: authority.at(moment).answer(UNOPENED)) == "E_VERDICT"


@pytest.mark.parametrize("change", [{"unopened": ABANDON}, {"probation": UNOPENED}])
def test_a_key_without_a_screening_that_the_task_does_not_allow(scene: Screened, change: dict[str, Any]) -> None:
    """In probation, or ever."""
    spec = scene.player.spec
    assert may_continue(spec, UNOPENED)
    strict = replace(spec, screening=replace(spec.screening, **change))
    assert not may_continue(strict, UNOPENED)


def test_a_key_in_probation(scene: Screened, authority: Watched) -> None:
    """Round 1 collects histories, and moves no model."""
    plan, committed = scene.plan(1), scene.state.committed(1)
    assert isinstance(committed, dict)
    digest = scene.state.screening(1)
    assert isinstance(digest, Screening) and not digest.verdict.accepted
    for named in (ZERO_DIGEST, digest.digest()):
        request = key_request(plan, committed, sorted(committed), named)
        moment = keyed(scene, 1, request, scene.open[1])
        template = next(event for event in scene.requested[2].told if isinstance(event, KeyRequested))
        moment.told = [*moment.told, replace(template, round=1, request=request.digest(), block=len(moment.times) - 1)]
        authority.at(moment)
        assert refused(lambda request=request: authority.answer(1, scene.ask_key(1, request))) == "E_VERDICT"  # type: ignore[misc]
