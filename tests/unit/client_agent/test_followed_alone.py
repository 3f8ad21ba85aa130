"""What a phone reads of its task concerns it alone, until it asks for the whole; how many there are the ledger says."""

from __future__ import annotations

from unittest import mock

import pytest

from protocol.messages.chain import (
    TaskPosted,
)
from protocol.round.planning import terms_of
from protocol.task.documents import Kind
from protocol.task.ending import is_over
from tests.samples import client_address
from tests.unit.client_agent.scene_chain import PlayedChain
from tests.unit.client_agent.scene_followed import ENROLLED_WITH, ME, OTHER, SPEC, FollowedScene


@pytest.fixture
def scene() -> FollowedScene:
    return FollowedScene()


def test_a_phone_reads_nothing_of_the_others_until_it_asks_for_the_whole(scene: FollowedScene) -> None:
    others = [client_address(number) for number in range(2, 9)]
    for client in others:
        scene.chain.enrol(client, reputation=ENROLLED_WITH)
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.refresh()
    assert list(scene.followed.state.enrolled) == [ME]
    assert {getattr(event, "client", ME) for event in scene.followed.events} == {ME}
    scene.chain.enrol(OTHER, reputation=ENROLLED_WITH)  # not yet seen by the phone
    whole, state = scene.followed.whole(), scene.followed.state
    assert list(whole.enrolled) == [ME, *others] and whole.only is None
    assert (whole.documents, whole.times, whole.rounds) == (state.documents, state.times, state.rounds)
    scene.refresh()
    assert list(scene.followed.whole().enrolled) == [ME, *others, OTHER]


def _posted(chain: PlayedChain) -> None:
    instants = {"enrol_until": 50, "task_until": 10**6, "claim_until": 10**7}
    chain.fall_back(0)
    chain.mine(TaskPosted, manufacturer=OTHER, terms=terms_of(SPEC), escrow=1, **instants)
    chain.enrol(ME, reputation=ENROLLED_WITH)


@pytest.mark.parametrize("enough", [False, True])
def test_that_too_few_enrolled_is_asked_of_the_ledger_once_nobody_is_waited_for(
    scene: FollowedScene, enough: bool
) -> None:
    chain, followed = scene.chain, scene.followed
    _posted(chain)
    if enough:
        chain.enrol(OTHER, reputation=ENROLLED_WITH)
    with mock.patch.object(chain, "task", wraps=chain.task) as asked:
        chain.time = 50
        chain.mine()
        assert not is_over(followed.refresh(), followed.now) and not asked.called
        for time in (51, 60):
            chain.time = time
            chain.mine()
            assert is_over(followed.refresh(), followed.now) is not enough
        assert asked.call_count == 2  # once more where a reorganisation may have changed it


def test_a_count_that_the_chain_took_back_is_asked_for_again(scene: FollowedScene) -> None:
    """Nothing else of the reorganisation concerns this client."""
    chain, followed = scene.chain, scene.followed
    _posted(chain)
    chain.enrol(OTHER, reputation=ENROLLED_WITH)
    chain.time = 51
    chain.mine()
    followed.refresh()
    followed.read(0, Kind.SPEC)
    assert not is_over(followed.refresh(), followed.now)
    chain.fall_back(2)
    scene.bury(2)
    assert is_over(followed.refresh(), followed.now)
