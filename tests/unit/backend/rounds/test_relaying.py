"""When a server relays what phones asked for: never before a batch that is due, and again after a failure."""

from __future__ import annotations

import threading
from unittest import mock

import pytest

from protocol.messages.chain import BatchCommitted, Left
from protocol.messages.submission import Leave, SignedLeave
from protocol.task.margins import margins
from storage.records.interface import RecordsError
from tests.ports.reference_chain import DOMAIN
from tests.unit.backend.rounds.scene_committee import CLIENTS
from tests.unit.backend.rounds.scene_server import Scene


def test_nothing_is_relayed_while_a_batch_would_have_to_wait_for_it() -> None:
    """An account's transactions go in order: a leave that nobody mines would keep the batch from its block."""
    scene = Scene(confirmations=0)
    scene.start()
    scene.enrol()
    scene.submit(1, (0, 1))
    found = margins(scene.spec, scene.facts(1).opened, scene.state.times)
    leave = Leave(1, CLIENTS[2].address)
    scene.pass_time_to(found.quiet_from)
    scene.driver.look()
    scene.inbox.leave(SignedLeave(leave, CLIENTS[2].sign(DOMAIN, leave)))
    for now in (found.quiet_from, found.batch_due - 1):
        scene.pass_time_to(now)
        scene.driver.look()
        scene.driver.relay()
        assert scene.inbox.waiting(1).leaves, "it waits"
    scene.until(lambda: scene.facts(1).batched)
    scene.until(lambda: not scene.inbox.waiting(1).leaves)
    kinds = [type(event) for event in scene.ledger.events(1) if isinstance(event, BatchCommitted | Left)]
    assert kinds == [BatchCommitted, Left]


@pytest.mark.outside  # it starts threads
def test_relaying_goes_on_after_the_records_were_away() -> None:
    scene = Scene()
    scene.start()
    looked, tries = threading.Event(), [RecordsError("away"), RecordsError("away")]

    def tasks() -> list[int]:
        if tries:
            raise tries.pop()
        looked.set()
        return []

    with mock.patch("backend.rounds.driver.AWAY_SECONDS", 0.0), mock.patch.object(scene.inbox, "tasks", tasks):
        scene.driver.start()
        try:
            assert looked.wait(60)
        finally:
            scene.driver.stop()


def test_a_round_without_a_receipt_keeps_no_relay_waiting() -> None:
    scene = Scene(confirmations=0)
    scene.start()
    scene.enrol()
    scene.announced(1)
    leave = Leave(1, CLIENTS[2].address)
    scene.pass_time_to(scene.facts(1).opened.commit_until - 1)
    scene.driver.look()
    scene.inbox.leave(SignedLeave(leave, CLIENTS[2].sign(DOMAIN, leave)))
    scene.driver.relay()
    assert not scene.inbox.waiting(1).leaves
    assert any(isinstance(event, Left) for event in scene.driver._tasks[1].events), "it is looked for at once"
