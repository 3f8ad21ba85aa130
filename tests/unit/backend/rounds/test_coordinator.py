"""The coordinator's rounds: deliveries, absences, restarts, deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.rounds.desk import Desk, DeskError
from backend.rounds.history import RoundFacts
from protocol.messages.chain import Claimed, RoundAbandoned, RoundExpired, RoundPublished
from tests.ports.chains import running_chain
from tests.unit.backend.rounds.scene_coordinator import CLIENTS, FIRST_GAIN, FLAT, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(running_chain("memory"), tmp_path)
    made.start()
    made.enrol()
    yield made
    made.crash()
    made.ledger.close()


def test_two_rounds_and_the_claims(scene: Scene) -> None:
    for number in (1, 2):
        scene.submit(number)
        scene.ended(RoundPublished, number)
        weights = [entry.weight for entry in scene.history.rounds[number].plan.weights]
        published = scene.history.before(number + 1)[0].published
        assert published is not None
        assert published.sums[:3].tolist() == weights
        assert not published.sums[3:].any()
    scene.until(lambda: scene.desk.next_round(2))
    with scene.desk._lock:  # the relay finds all of them waiting
        scene.desk._claims |= {signer.address for signer in CLIENTS}
    earned = 2 * FLAT + FIRST_GAIN
    scene.until(lambda: scene.ledger.claimed(1, CLIENTS[0].address) == earned)
    claims = [event for event in scene.ledger.events(1) if isinstance(event, Claimed)]
    assert len(claims) == len(CLIENTS)
    assert len({event.transaction for event in claims}) == 1
    assert scene.owed() == {signer.address: earned for signer in CLIENTS}


def test_too_few_deliver_and_those_who_did_are_paid(scene: Scene) -> None:
    scene.submit(1, (1,))
    scene.chain.pass_time(_until_commits_end(scene) - 4)
    scene.until(lambda: scene.history.rounds[1].batch)
    scene.chain.pass_time(4)
    scene.ended(RoundAbandoned, 1)
    assert scene.owed() == {signer.address: FLAT * (signer is CLIENTS[1]) for signer in CLIENTS}
    scene.submit(2)
    scene.ended(RoundPublished, 2)


def test_a_committee_that_does_not_answer_costs_the_model_not_the_reward(scene: Scene) -> None:
    scene.committee.answering = {2}
    scene.submit(1)
    scene.until(lambda: scene.history.rounds[1].requested)
    scene.chain.pass_time(_until_commits_end(scene) + scene.spec.durations.settle_seconds - 4)
    scene.ended(RoundAbandoned, 1)
    assert scene.owed() == {signer.address: FLAT for signer in CLIENTS}


def test_a_round_nobody_finished_in_time_expires(scene: Scene) -> None:
    scene.submit(1, (0, 1))
    scene.crash()
    scene.chain.pass_time(_until_commits_end(scene) + scene.spec.durations.settle_seconds + 1)
    scene.start()
    scene.ended(RoundExpired, 1)
    assert scene.owed() == {}
    scene.submit(2)
    scene.ended(RoundPublished, 2)


@pytest.mark.parametrize("submitted", [(), (0,), (0, 1)])
def test_a_restart_in_the_commit_phase_loses_no_submission(scene: Scene, submitted: tuple[int, ...]) -> None:
    scene.submit(1, submitted)
    scene.crash()
    scene.start()
    scene.submit(1, tuple({0, 1, 2} - set(submitted)))
    scene.ended(RoundPublished, 1)
    record = scene.history.rounds[1].record
    assert record is not None
    assert len(record.verdict.accepted) == 3


def test_a_restart_too_late_for_a_batch_gives_no_receipt(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even to a phone that is faster than the server's next step."""
    scene.submit(1, (0, 1))
    late = scene.submission(2, 1)
    scene.crash()
    scene.chain.pass_time(_until_commits_end(scene) - 3)
    answers, announce = list[str](), Desk.announce

    def announcing(desk: Desk, facts: RoundFacts, standby: bool = False) -> None:
        announce(desk, facts, standby)
        if facts.number == 1 and not answers:
            with pytest.raises(DeskError) as refused:
                desk.submit(1, late)
            answers.append(refused.value.code)

    monkeypatch.setattr(Desk, "announce", announcing)
    scene.start()
    scene.until(lambda: scene.history.current and scene.history.current.batch)
    assert answers == ["E_ROUND"]
    scene.chain.pass_time(3)
    scene.ended(RoundPublished, 1)


def test_a_restart_while_the_committee_is_asked(scene: Scene) -> None:
    scene.committee.answering = set()
    scene.submit(1)
    scene.until(lambda: scene.history.rounds[1].requested)
    scene.crash()
    scene.committee.answering = {1, 3}
    scene.start()
    scene.ended(RoundPublished, 1)
    published = scene.history.before(2)[0].published
    assert published is not None
    assert published.sums[:3].tolist() == [2, 2, 2]


def _until_commits_end(scene: Scene) -> int:
    """From now until just after the round's commit phase."""
    opened = scene.history.rounds[1].opened
    return opened.commit_until - scene.ledger.now() + 1
