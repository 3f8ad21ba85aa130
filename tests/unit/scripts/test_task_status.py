"""``hearth task status``: the status view from the chain alone, and with the content store."""

from __future__ import annotations

from protocol.content.cid import cid_of
from protocol.identifiers import to_hex
from protocol.messages.chain import RoundPublished
from protocol.privacy.spending import spent
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
    assert status.charge == (spent(player.spec.learning.mechanism, player.spec.privacy, 1),)
    assert (status.title, status.rounds[0].accepted, status.rounds[0].lacking) == ("played", 5, ())
    lines = [line.strip() for line in lines_of(status)]
    assert f"escrow: {player.spec.budget()}" in lines
    assert f"epsilon: {status.epsilon:.4f}" in lines
    assert f"edge_server: {to_hex(player.spec.edge_server)}" in lines
    (of_the_round,) = (line for line in lines if line.startswith("round 1:"))
    for fact in ("published", "5 of 5 committed", "5 accepted", f"accuracy {published.correct}/{published.examples}"):
        assert fact in of_the_round

    player.claim(0)  # moves the clock past the dispute window
    paid = read_status(player.reader, player.store, player.task)
    assert paid.payable == published.allocated > paid.claimed > 0


def test_a_record_that_is_lost_is_named_with_its_keeper() -> None:
    player = Player(funded_ledger("task status without a record"), rounds=1)
    player.play(1, Conduct())
    record = next(event for event in player.reader.events(player.task) if isinstance(event, RoundPublished)).record
    objects = player.store.objects
    player.store.objects = {text: data for text, data in objects.items() if cid_of(data).digest != record}
    (line,) = (line for line in lines_of(read_status(player.reader, player.store, player.task)) if "round 1" in line)
    assert f"record missing, was to be kept by {to_hex(player.spec.edge_server)}" in line
