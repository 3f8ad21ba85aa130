"""Who is acting in a task's rounds.

given a task that lists two edge servers
    when the second acts in time
        should refuse, naming when it may
    when the first has let its time pass, before a round, in an open one or in a requested one
        should make the second the acting one, say so, and let it finish and go on alone
    when the first comes back
        should not be acting before the second is late in turn
    when a stranger or an authority acts at any time
        should refuse
"""

from __future__ import annotations

import pytest

from protocol.round.state_table import RoundState
from tests.contracts.scene import BATCH, PLAN, REQUEST, REWARD, ROOT, Scene, label_of


def two(scene: Scene) -> Scene:
    scene.post(edge_servers=(scene.ledger.edge.address, scene.ledger.substitute.address))
    scene.enrol(*scene.clients)
    return scene


def refusal(scene: Scene, name: str, *arguments: object) -> tuple[object, ...]:
    return scene.ledger.refusal(scene.ledger.substitute, name, scene.task, *arguments)


def test_should_open_rounds_when_the_first_does_not(deployed: Scene) -> None:
    scene, ledger = two(deployed), deployed.ledger
    until = ledger.task_view(1).enrol_until + 150
    ledger.pass_to(until)
    call = ("openRound", 1, PLAN, label_of(1), ROOT, 3)
    assert refusal(scene, *call) == ("TooEarly", until)
    ledger.pass_to(until + 1)
    taken, opened = scene.by(ledger.substitute, "openRound", 1, *call[1:]).events
    assert (type(taken).__name__, type(opened).__name__) == ("TakenOver", "RoundOpened")
    assert ledger.task_view(1).edge_server == ledger.substitute.address


@pytest.mark.parametrize("step", ["open", "request"])
def test_should_finish_what_the_first_left_for_good(
    deployed: Scene, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first edge server is never heard of again; the second ends its round and runs the others by itself."""
    scene, ledger = two(deployed), deployed.ledger
    scene.open()
    scene.commit_batch()
    if step == "request":
        scene.pass_after(ledger.round_view(1, 1).object_until)
        scene.by_edge("requestKey", 1, REQUEST)
    until = ledger.round_view(1, 1).commit_until + 100
    ledger.pass_to(until)
    assert refusal(scene, "requestKey", 1, REQUEST) == ("TooEarly", until)
    ledger.pass_to(until + 1)
    monkeypatch.setattr(ledger, "edge", ledger.substitute)
    if step == "open":
        scene.by_edge("requestKey", 1, REQUEST)
    scene.publish()
    for number in (2, 3):
        scene.open(number)
        scene.request(number)
        scene.publish(number)
    assert ledger.round_view(1, 3).state is RoundState.PUBLISHED
    scene.claim_many(*scene.clients)
    assert [ledger.balance(client.address) for client in scene.clients] == [3 * REWARD] * 3


def test_should_not_hand_back_before_the_second_is_late(deployed: Scene) -> None:
    scene, ledger = two(deployed), deployed.ledger
    ledger.pass_to(ledger.task_view(1).enrol_until + 151)
    scene.by(ledger.substitute, "openRound", 1, 1, PLAN, label_of(1), ROOT, 3)
    until = ledger.round_view(1, 1).commit_until + 100
    assert scene.edge_refusal("commitBatch", 1, ROOT, BATCH, 3) == ("TooEarly", until)
    ledger.pass_to(until + 1)
    scene.by_edge("requestKey", 1, REQUEST)
    assert ledger.task_view(1).edge_server == ledger.edge.address


def test_should_know_nobody_else(deployed: Scene) -> None:
    ledger = two(deployed).ledger
    ledger.pass_to(ledger.task_view(1).task_until)
    expected = ("NotEdgeServer", ledger.stranger.address, ledger.edge.address)
    assert ledger.refusal(ledger.stranger, "openRound", 1, 1, PLAN, label_of(1), ROOT, 3) == expected
