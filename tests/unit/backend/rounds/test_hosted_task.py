"""One task of a server decides nothing on a chain that does not show its last move yet."""

from __future__ import annotations

from unittest import mock

import pytest
import structlog

from backend.rounds.hosted_task import SHOWN_SECONDS
from protocol.messages.chain import RoundPublished
from protocol.task.margins import margins
from tests.unit.backend.rounds.scene_server import Scene


@pytest.mark.parametrize("behind", ["the head", "the events"])
def test_a_move_that_succeeded_is_not_made_again_before_the_chain_shows_it(behind: str) -> None:
    """Whoever steps at once, or asks a node that lags, still sees the chain before it."""
    scene = Scene(confirmations=0)
    scene.start()
    scene.enrol()
    scene.submit(1)
    scene.pass_time_to(margins(scene.spec, scene.facts(1).opened, scene.state.times).quiet_from)
    scene.driver.look()
    head, events = scene.ledger.head(), scene.ledger.events()
    old = {"head": lambda: head} if behind == "the head" else {"events": lambda *_: events}
    sender = scene.driver._tasks[1].performer.ledger
    commit, batches = sender.commit_batch, list[object]()

    def counted(*arguments: object) -> object:
        batches.append(arguments)
        return commit(*arguments)  # type: ignore[arg-type]

    with mock.patch.object(sender, "commit_batch", counted), structlog.testing.capture_logs() as log:
        with mock.patch.multiple(scene.ledger, **old):
            for _ in range(8):
                scene.driver.wake(1)
                scene.driver.step(1)
                scene.driver.look()
        scene.chain.pass_time(1)
        scene.until(lambda: scene.facts(1).batched)
    assert len(batches) == 1
    assert [entry for entry in log if entry["event"] == "will try again"] == []


def test_a_move_that_the_chain_never_shows_is_made_again() -> None:
    """It was taken back before anybody saw it."""
    scene = Scene(confirmations=0)
    scene.start()
    scene.enrol()
    scene.submit(1)
    scene.pass_time_to(margins(scene.spec, scene.facts(1).opened, scene.state.times).quiet_from)
    scene.driver.look()
    sender = scene.driver._tasks[1].performer.ledger
    snapshot, commit, since = scene.chain.snapshot(), sender.commit_batch, 0

    def taken_back(*arguments: object) -> object:
        nonlocal since
        receipt = commit(*arguments)  # type: ignore[arg-type]
        scene.chain.revert(snapshot)
        since = scene.ledger.now()
        return receipt

    with mock.patch.object(sender, "commit_batch", taken_back):
        while not since:
            scene.driver.wake(1)
            scene.driver.step(1)
    scene.until(lambda: scene.facts(1).batched)
    assert scene.ledger.now() - since <= SHOWN_SECONDS + 1


def test_the_log_tells_the_moves_of_a_round_and_no_looks() -> None:
    scene = Scene()
    scene.start()
    with structlog.testing.capture_logs() as log:
        scene.enrol()
        scene.submit(1)
        scene.ended(RoundPublished, 1)
    told = [entry for entry in log if entry["event"] == "moved" and entry["round"] == 1]
    moved = [entry["move"] for entry in told]
    assert [move for move in moved if move != "AskEndorsements"] == [
        "OpenRound", "CommitBatch", "VerifyUpdates", "RequestKey", "DecryptSum", "Publish",
    ]  # fmt: skip
    assert all(entry["task"] == 1 and entry["seconds"] >= 0 for entry in told)
    assert not {"Fetch", "ReadTimes"} & {entry["move"] for entry in log if entry["event"] == "moved"}
