"""Cohorts that a block draws, and a household that comes while the task runs: phones, servers and auditor agree."""

from __future__ import annotations

from pathlib import Path

from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import Claimed, CohortDrawn, Enrolled, RoundOpened, RoundPublished
from protocol.round.draw import drawn
from tests.e2e.play import Play, play

CLIENTS, COHORT, ROUNDS = 5, 3, 6
LATE = 4


def mined(task: Play) -> bool:
    """A chain that makes blocks on demand alone never comes to the one that draws."""
    task.advance_clock(0)
    return True


def test_a_latecomer_is_drawn_like_everybody_else(tmp_path: Path) -> None:
    with play(
        tmp_path / "play", CLIENTS, ROUNDS, cohort={"max_cohort": COHORT, "roster_rounds": 1, "flap_changes": 20}
    ) as task:
        task.prepare()
        task.start_agents([number for number in range(CLIENTS) if number != LATE])
        task.stage.processes.await_until(lambda: len(task.events(Enrolled)) == CLIENTS - 1)
        task.advance_clock(601)  # nobody is waited for any longer
        task.stage.processes.await_until(lambda: mined(task) and bool(task.events(RoundOpened)))
        task.start_agents([LATE])
        task.finish(meanwhile=lambda: task.advance_clock(0))

        opened = task.events(RoundOpened)
        assert [event.round for event in task.events(RoundPublished)] == list(range(1, ROUNDS + 1))
        assert [event.round for event in task.events(CohortDrawn)] == list(range(1, ROUNDS + 1))
        assert len({event.beacon for event in opened} | {ZERO_DIGEST}) == ROUNDS + 1
        enrolled = task.events(Enrolled)
        late = next(event for event in enrolled if event.client == task.address(LATE))
        assert late.block > opened[0].block
        for event in opened:
            there = {entry.client for entry in enrolled if entry.block < event.block}
            planned = {entry.client for entry in task.plan(event.plan).weights}
            assert len(planned) == COHORT
            possible = [drawn(group, COHORT, event.beacon, 1, event.round) for group in (there, there - {late.client})]
            assert planned in possible, "it may have come too late for the rosters"
        assert late.block < opened[-2].block
        assert planned == possible[0], "in the end it is one of them"
        assert {event.client for event in task.events(Claimed)} >= {task.address(n) for n in range(CLIENTS)}
        answer = task.audit()
        assert (answer["verdict"], answer["failed"]) == ("PASS", 0)
