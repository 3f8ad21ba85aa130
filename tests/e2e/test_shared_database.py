"""An edge server as two processes over one PostgreSQL database: the one that drives the task is killed in a round."""

from __future__ import annotations

import shutil
from pathlib import Path

from protocol.messages.chain import BatchCommitted, Claimed, RoundOpened, RoundPublished, TakenOver
from tests.e2e.play import play
from tests.ports.postgresql import running_postgresql

TWIN = "edge-twin"


def test_the_other_process_goes_on_within_the_lease(tmp_path: Path) -> None:
    with running_postgresql() as database, play(tmp_path / "play") as task:
        stage, shared = task.stage, ["--database", database.address]
        stage.options["edge"] = stage.options[TWIN] = shared
        task.prepare()
        for name in ("keystore.json", "password"):  # of the same account
            shutil.copy(stage.folder("edge") / name, stage.folder(TWIN) / name)
        twin = stage.start_edge(stage.addresses["client-00"], TWIN)
        stage.substitute_urls.append(stage.url_of(twin))
        task.start_agents()
        task.await_event(RoundOpened)
        first = task.role("edge")
        first.process.kill()
        task.await_death(first)

        task.finish()
        assert [event.round for event in task.events(RoundPublished)] == [1, 2]
        assert (len(task.events(BatchCommitted)), task.events(TakenOver)) == (2, [])
        paid = [event.client for event in task.events(Claimed)]
        assert {task.address(n) for n in range(task.clients)} <= set(paid)
        for number in range(task.clients):
            assert sorted(task.report(number)["bytes_per_round"]) == ["1", "2"], "nobody lost a round"
        answer = task.audit()
        assert (answer["verdict"], answer["failed"]) == ("PASS", 0)
