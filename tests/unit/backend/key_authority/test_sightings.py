"""An authority signs what it sees, once for each label and kind, and answers nothing that no quorum saw."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from protocol.canonical import decode, encode
from protocol.errors import HearthError, Party
from protocol.messages.keys import KeyRequest, PartialKeyAnswer, SignedSighting
from protocol.round.sightings import sighting
from protocol.round.state_table import RoundState
from protocol.signing import verify
from tests.kills import kill_at
from tests.samples import DOMAIN
from tests.unit.backend.key_authority.scene import (
    CLIENTS,
    TASK,
    Scene,
    authority_signer,
    plan,
    planned,
    request,
)

FIRST, SECOND = request(plan()), request(plan(), CLIENTS[:2])


def sight(scene: Scene, shown: KeyRequest, number: int = 1) -> SignedSighting:
    return decode(SignedSighting, scene.authority.sight(TASK, number, encode(shown)))


def refused(scene: Scene, code: str, shown: KeyRequest, number: int = 1) -> None:
    with pytest.raises(HearthError) as caught:
        sight(scene, shown, number)
    assert caught.value.code == code


def test_it_signs_the_request_on_chain_as_deep_as_the_task_asks(scene: Scene) -> None:
    scene.ledger.record(FIRST)
    signed = sight(scene, FIRST)
    own = authority_signer(1).address
    assert signed.statement == sighting(TASK, 1, "sum", FIRST.label, FIRST.digest(), own)
    verify(DOMAIN, signed.statement, signed.signature, own, Party.KEY_AUTHORITY)
    assert sight(scene, FIRST) == signed
    assert scene.ledger.confirmations_asked == [3, 3]


@pytest.mark.parametrize("state", [RoundState.NONE, RoundState.OPEN])
def test_a_round_without_a_request_is_seen_by_nobody(scene: Scene, state: RoundState) -> None:
    scene.ledger.record(FIRST, state=state)
    refused(scene, "E_NOT_RECORDED", FIRST)


def test_what_is_not_on_its_chain_it_does_not_sign_and_nothing_is_used_up(scene: Scene) -> None:
    scene.ledger.record(FIRST)
    refused(scene, "E_NOT_RECORDED", SECOND)
    refused(scene, "E_NOT_RECORDED", FIRST, 2)
    assert sight(scene, FIRST)


def test_it_never_signs_a_second_request_of_one_label_whatever_its_chain_says(scene: Scene) -> None:
    scene.ledger.record(FIRST)
    first = sight(scene, FIRST)
    for _ in range(2):
        scene.ledger.record(SECOND)
        refused(scene, "E_SIGHTED", SECOND)
        scene.restart()
    scene.ledger.record(FIRST)
    assert sight(scene, FIRST) == first


def test_what_it_answered_it_has_seen(scene: Scene) -> None:
    scene.ask_recorded(plan(), FIRST)
    scene.ledger.record(SECOND)
    refused(scene, "E_SIGHTED", SECOND)


def test_what_it_saw_otherwise_it_does_not_answer_even_to_a_quorum(scene: Scene) -> None:
    scene.ledger.record(FIRST)
    sight(scene, FIRST)
    scene.ledger.record(SECOND)
    with pytest.raises(HearthError) as caught:
        scene.ask(plan(), SECOND)
    assert caught.value.code == "E_SIGHTED"


@pytest.mark.parametrize("by", [(), (1,), (1, 2), (2, 3)])
def test_without_a_quorum_nothing_is_answered_and_nothing_is_used_up(scene: Scene, by: tuple[int, ...]) -> None:
    """Three of three, since one may be corrupt."""
    scene.ledger.record(FIRST)
    with pytest.raises(HearthError) as caught:
        scene.authority.answer(TASK, 1, planned(plan(), FIRST, by=by))
    assert caught.value.code == "E_SIGHTINGS"
    answer = scene.authority.answer(TASK, 1, planned(plan(), FIRST, by=(1, 2, 3)))
    assert decode(PartialKeyAnswer, answer).signed.statement.request == FIRST.digest()
    assert scene.authority.answer(TASK, 1, planned(plan(), FIRST, by=())) == answer, "it answered this before"


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_signs_it_signs_one_request_only(tmp_path: Path, when: str) -> None:
    """A real SIGKILL at the one step that keeps the sighting; then the chain shows another request."""
    scene = Scene(tmp_path / "authority")
    scene.prepare()
    scene.ledger.record(FIRST)
    scene.records.close()
    child = os.fork()
    if child == 0:
        try:
            scene.restart()
            kill_at(when, 1)
            sight(scene, FIRST)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    scene.restart()
    scene.ledger.record(SECOND)
    if when == "after":
        refused(scene, "E_SIGHTED", SECOND)
    else:
        assert sight(scene, SECOND).statement.digest == SECOND.digest()
    scene.records.close()
