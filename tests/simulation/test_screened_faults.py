"""Screened rounds go on where processes die, servers are replaced, phones stay away and documents are withheld."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.content.cid import Cid
from protocol.identifiers import Digest
from protocol.messages.screening_terms import KRUM
from protocol.round.state_table import RoundState
from protocol.task.documents import Absent
from tests.simulation.screened_world import ScreenedWorld, screened_world

PUBLISHED = RoundState.PUBLISHED


def _requested(world: ScreenedWorld, number: int) -> Digest | None:
    """The request for openings that is on chain."""
    facts = world.reader().state.round(number)
    return None if facts is None or facts.screening is None else facts.screening.request


@pytest.mark.parametrize("lives", ["after", "before"])
def test_killed_at_every_change_of_its_records(lives: str, tmp_path: Path) -> None:
    with screened_world(tmp_path, KRUM, 1, phones=3, rounds=2).closing() as world:
        world.faults.lives = lives
        world.until(world.all_ended, watch=world.revive)
        assert [facts.state for facts in world.reader().state.rounds] == [RoundState.ABANDONED, PUBLISHED]
        assert world.accepted(2) == {0, 1, 2} and not world.reasons(2)
        assert all(process.deaths >= 3 for process in (*world.servers, *world.authorities))


def test_a_substitute_goes_on_from_the_request_on_chain(tmp_path: Path) -> None:
    """The first server is gone when its request for openings is on chain: what came is what that says."""
    with screened_world(tmp_path, KRUM, 0, servers=2, rounds=2).closing() as world:
        world.until(lambda: _requested(world, 1))
        first = world.servers.pop(0)
        first.kill()
        world.until(world.all_ended)
        facts = world.reader().state.rounds[0]
        assert facts.state is PUBLISHED and facts.screening_by == first.signer.address
        assert facts.requested_by == world.servers[0].signer.address
        assert world.accepted(1) == {0, 1, 2, 3} and world.reader().state.rounds[1].state is PUBLISHED


def test_a_substitute_follows_a_request_for_the_key(tmp_path: Path) -> None:
    with screened_world(tmp_path, KRUM, 0, servers=2, rounds=1).closing() as world:
        world.until(lambda: _requested(world, 1) and world.reader().state.rounds[0].requested)
        world.servers.pop(0).kill()
        world.until(world.all_ended)
        assert world.reader().state.rounds[0].state is PUBLISHED
        assert world.record(1).screening == world.evidence(1).digest()


def test_a_phone_that_stays_away_keeps_its_history(tmp_path: Path) -> None:
    with screened_world(tmp_path, KRUM, 0, rounds=4).closing() as world:
        world.until(world.all_ended, lambda process: process is world.phones[3] and world.running(3))
        assert [world.accepted(number) for number in (2, 3, 4)] == [{0, 1, 2, 3}, {0, 1, 2}, {0, 1, 2, 3}]
        request = world.reader().state.gram_request(3)
        assert not isinstance(request, Absent)
        assert world.phones[3].signer.address in request.histories
        assert world.phones[3].signer.address not in {entry.client for entry in request.entries}


@pytest.mark.parametrize("stop_first", [False, True], ids=["the server goes on", "the server is gone"])
@pytest.mark.parametrize("what", ["request", "evidence", "answers"])
def test_what_is_withheld_of_a_round_is_made_again(what: str, stop_first: bool, tmp_path: Path) -> None:
    """As soon as it is named, and for ever: until somebody has it again."""
    with screened_world(tmp_path, KRUM, 1, servers=2, rounds=3).closing() as world:

        def named() -> Digest | None:
            state = world.reader().state
            if not state.rounds:
                return None
            if what == "request":
                return _requested(world, 1)
            evidence = state.screening(1)
            if evidence is None or isinstance(evidence, Absent):
                return None
            return evidence.digest() if what == "evidence" else evidence.openings[0].statement.answers

        world.until(named)
        digest = named()
        assert digest is not None
        world.store.withheld |= {Cid(codec, digest).text for codec in ("raw", "dag-pb")}
        if stop_first:
            world.servers.pop(0).kill()
        else:
            world.servers[0].restart()
        world.until(world.all_ended)
        rounds = world.reader().state.rounds
        assert [facts.state for facts in rounds[1:]] == [PUBLISHED, PUBLISHED], "the next round is as good as any"
