"""The edge server is killed for good in the middle of a round; another one of the task's list finishes the task."""

from __future__ import annotations

from pathlib import Path

from protocol.messages.chain import BatchCommitted, Claimed, KeyRequested, RoundOpened, RoundPublished, TakenOver
from scripts.demonstration.presets import DEMO_REWARDS
from tests.e2e.play import killed_launcher, play

PHASE_SECONDS = 120


def test_a_substitute_finishes_the_round_and_runs_the_next(tmp_path: Path) -> None:
    with play(tmp_path / "play", phase_seconds=PHASE_SECONDS) as task:
        task.stage.edges.append("substitute")
        # all has been committed, no key requested
        task.stage.launchers["edge"] = killed_launcher("instead", "VerdictKept")
        task.prepare()
        task.start_agents()
        (first,) = [process for process in task.stage.processes.roles if process.name == "edge"]
        task.stage.processes.await_until(lambda: first.process.poll() is not None)
        assert first.process.returncode == -9, first.tail()
        (opened,) = task.events(RoundOpened)
        assert (len(task.events(BatchCommitted)), task.events(KeyRequested)) == (1, [])

        task.advance_clock(opened.commit_until + PHASE_SECONDS // 2 + 1 - task.reader.now())
        task.finish(meanwhile=lambda: task.advance_clock(0))  # blocks go on, as nobody's own clock is that late
        assert [event.edge_server for event in task.events(TakenOver)] == [task.stage.addresses["substitute"]]
        assert [event.round for event in task.events(RoundPublished)] == [1, 2]
        paid = {event.client for event in task.events(Claimed)}
        assert paid >= {task.address(n) for n in range(task.clients)}
        assert task.stage.addresses["edge"] not in paid, "who publishes has the fee"
        for number in range(task.clients):
            earned = task.reader.claimed(1, task.address(number))
            assert 2 * DEMO_REWARDS.participation <= earned <= 2 * DEMO_REWARDS.update_reward
            assert sorted(task.report(number)["bytes_per_round"]) == ["1", "2"], "nobody lost a round"
        answer = task.audit()
        assert (answer["verdict"], answer["failed"]) == ("PASS", 0)
