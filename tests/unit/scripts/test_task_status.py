"""``hearth task status``: the status view from the chain alone, and with the content store."""

from __future__ import annotations

from typing import Any

from protocol.content.cid import cid_of
from protocol.identifiers import to_hex
from protocol.messages.chain import RoundPublished
from protocol.messages.settlement import GARBAGE
from protocol.privacy.spending import planned, spent
from protocol.task.status import RoundStatus, TaskStatus
from scripts.commands.task_status import lines_of, read_status
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.tiny_task import funded_ledger


def test_a_task_with_and_without_its_documents() -> None:
    player = Player(funded_ledger("task status"), rounds=2)
    player.play(1, Conduct())
    published = next(event for event in player.reader.events(player.task) if isinstance(event, RoundPublished))

    alone = read_status(player.reader, None, player.task)
    assert (alone.title, alone.state, alone.charge) == ("", "running", ())
    assert (alone.rounds[0].state, alone.rounds[0].model) == ("published", published.model)
    assert (alone.allocated, alone.payable) == (published.allocated, 0)
    assert not any("accepted" in line for line in lines_of(alone))

    status = read_status(player.reader, player.store, player.task)
    assert status.charge == (spent(planned(player.spec, 1), player.spec.learning, player.spec.privacy),)
    assert (status.title, status.rounds[0].accepted, status.rounds[0].lacking) == ("played", 5, ())
    lines = [line.strip() for line in lines_of(status)]
    assert f"escrow: {player.spec.budget()}" in lines
    assert f"privacy: {status.charge[0].figure}" in lines
    assert f"edge_server: {to_hex(player.spec.edge_server)}" in lines
    (of_the_round,) = (line for line in lines if line.startswith("round 1:"))
    for fact in ("published", "5 of 5 committed", "5 accepted", f"accuracy {published.correct}/{published.examples}"):
        assert fact in of_the_round

    player.claim(0)  # moves the clock past the dispute window
    paid = read_status(player.reader, player.store, player.task)
    assert paid.payable == published.allocated > paid.claimed > 0


def test_what_became_of_a_round_is_said_in_words() -> None:
    usual: dict[str, Any] = {"edge_server": bytes(20), "cohort": 5, "committed": 4}
    usual |= {"commit_until": 1, "settle_until": 2}
    rounds = (
        RoundStatus(1, "published", compensation=0, outcome=GARBAGE, **usual),
        RoundStatus(2, "expired", compensation=599, **usual),
    )
    *_, first, second = lines_of(TaskStatus(1, "stopped", compensated=599, drawn_at=7, rounds=rounds))
    lines = [line.strip() for line in lines_of(TaskStatus(1, "stopped", compensated=599, drawn_at=7, rounds=rounds))]
    assert {"state: stopped", "compensated: 599", "drawn_at: 7"} <= set(lines)
    assert first.endswith("4 of 5 committed, its sum was garbage, so the model stays as it was")
    assert second.endswith("expired, 4 of 5 committed, 599 owed to each client that committed")


def test_a_record_that_is_lost_is_named_with_its_keeper() -> None:
    player = Player(funded_ledger("task status without a record"), rounds=1)
    player.play(1, Conduct())
    record = next(event for event in player.reader.events(player.task) if isinstance(event, RoundPublished)).record
    objects = player.store.objects
    player.store.objects = {text: data for text, data in objects.items() if cid_of(data).digest != record}
    (line,) = (line for line in lines_of(read_status(player.reader, player.store, player.task)) if "round 1" in line)
    assert f"record missing, was to be kept by {to_hex(player.spec.edge_server)}" in line
