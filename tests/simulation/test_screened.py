"""Whole screened tasks in one process: what they come to when everybody is honest, and when somebody is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_agent import participation
from protocol.identifiers import ZERO_DIGEST, sha256
from protocol.messages.chain import RoundAbandoned, RoundPublished
from protocol.messages.screening import NORM
from protocol.messages.screening_terms import ALIGNMENT, KRUM
from protocol.messages.settlement import LEVEL, PROBATION
from protocol.round.screening_share import Screener
from protocol.round.state_table import RoundState
from tests.simulation.parties import Process
from tests.simulation.screened_world import ScreenedWorld, screened_world

PUBLISHED, ABANDONED = RoundState.PUBLISHED, RoundState.ABANDONED


def _states(world: ScreenedWorld) -> list[RoundState]:
    return [facts.state for facts in world.reader().state.rounds]


def test_levels_reach_the_plan_after_the_histories_and_the_same_seed_does_the_same(tmp_path: Path) -> None:
    """Phones 3 and 4 send the same: histories are opened in round 3 for the first time, and weigh from round 4 on."""
    traces = []
    for _ in range(2):
        with screened_world(tmp_path, probation=2, phones=5, rounds=4).closing() as world:
            world.phones[4].coordinate = world.phones[3].coordinate
            world.until(world.all_ended)
            assert _states(world) == [ABANDONED, ABANDONED, PUBLISHED, PUBLISHED]
            assert world.reasons(1) == world.reasons(2) == dict.fromkeys(range(5), PROBATION)
            assert world.accepted(3) == set(range(5)) and not world.reasons(3)
            assert world.weights(3)[3] > 0 and world.weights(4)[3:] == [0, 0]
            assert world.accepted(4) == {0, 1, 2} and world.reasons(4) == {3: LEVEL, 4: LEVEL}
            state = world.reader().state
            for number in range(1, 5):
                assert state.screened[number] == world.evidence(number).verdict
                assert world.record(number).screening == world.evidence(number).digest()
            traces.append([sha256(world.evidence(n).digest() + world.record(n).allocation) for n in range(1, 5)])
    assert traces[0] == traces[1]


def test_one_beyond_its_range_and_one_that_sends_garbage_are_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(participation, "too_long", lambda *_: None)  # nobody checks itself
    with screened_world(tmp_path, KRUM, 0, phones=5, rounds=2, nonsense=frozenset({1, 2})).closing() as world:
        world.phones[1].boosted = True
        world.phones[1].restart()
        world.until(world.all_ended)
        assert _states(world) == [PUBLISHED, PUBLISHED]
        assert world.reasons(1) == {0: NORM, 1: NORM} and world.accepted(1) == {2, 3, 4}
        assert {world.phone_of(client) for client in world.evidence(1).verdict.passed} == {2, 3, 4}
        assert world.planned(2) == world.accepted(2) == {2, 3, 4}, "it costs them their reputation"


@pytest.mark.parametrize("lie", ["another word", "too short", "beyond the modulus"])
def test_an_authority_that_lies_goes_on_record(lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Screener.answers

    def answers(self: Screener, *arguments: object) -> bytes:
        data = honest(self, *arguments)  # type: ignore[arg-type]
        if self.j != 2:
            return data
        return {"another word": bytes([data[0] ^ 1]) + data[1:], "too short": data[:-6]}.get(lie, b"\xff" * len(data))

    monkeypatch.setattr(Screener, "answers", answers)
    with screened_world(tmp_path, ALIGNMENT, 0, rounds=1).closing() as world:
        world.until(world.all_ended)
        assert _states(world) == [PUBLISHED]
        evidence, liar = world.evidence(1), world.spec.committee.members[1]
        assert [signed.statement.authority for signed in evidence.accused] == [liar]
        assert len(evidence.openings) == 4
        assert world.reader().state.screened[1] == evidence.verdict


@pytest.mark.parametrize("unopened", ["abandon", "continue"])
def test_too_few_authorities(unopened: str, tmp_path: Path) -> None:
    """Three of five are away from the commitments on, and back after the middle of the settle phase."""
    with screened_world(tmp_path, KRUM, 0, unopened, rounds=2).closing() as world:

        def away(process: Process) -> bool:
            current, state = world.reader().state.current, world.reader().state
            if process not in world.authorities[2:] or current is None or current.number > 1:
                return False
            middle = current.opened.settle_until - world.spec.durations.settle_seconds // 2
            absent = current.batched is not None and world.time <= middle and state.current is not None
            if absent:
                process.app = None
            return absent

        world.until(world.all_ended, away)
        first, second = world.reader().state.rounds
        assert first.screening is not None and second.state is PUBLISHED
        assert world.record(1).screening == ZERO_DIGEST != world.record(2).screening
        if unopened == "abandon":
            assert isinstance(first.ended, RoundAbandoned) and first.requested is None
        else:
            assert isinstance(first.ended, RoundPublished) and world.accepted(1) == {0, 1, 2, 3}
        assert world.reader().state.screened[1] is None
