"""Every process is killed at every change of its records: nothing is done twice, and nobody loses anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.round.state_table import RoundState
from protocol.task.documents import Absent
from tests.simulation.world import World


@pytest.mark.parametrize("lives", ["after", "before"])
def test_killed_at_every_change_of_its_records(lives: str, tmp_path: Path) -> None:
    """Servers, authorities and phones live for one change at a time."""
    world = World(1, tmp_path, servers=1, phones=3, rounds=2)
    world.faults.calm, world.faults.lives = True, lives
    try:
        for _ in range(2_000):
            for process in (*world.servers, *world.phones, *world.authorities):
                world.revive()
                world.step(process)
            world.invariants.check()
            if world.invariants.settled():
                break
            world.jump()
        assert world.invariants.settled()
        state, everybody = world.reader().state, {phone.signer.address for phone in world.phones}
        assert [facts.state for facts in state.rounds] == [RoundState.PUBLISHED] * 2
        for facts in state.rounds:
            verdict = state.verdict(facts.number)
            assert not isinstance(verdict, Absent) and set(verdict.accepted) == everybody
        for phone in world.phones:
            assert phone.deaths >= 7
        assert world.servers[0].deaths >= 8
        assert all(authority.deaths >= 3 for authority in world.authorities)
    finally:
        world.close()
