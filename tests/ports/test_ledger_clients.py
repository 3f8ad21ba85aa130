"""Events of one client, in every implementation of the ledger port.

given a task of several clients that enrol, leave, commit directly and are compensated
    when the events of one client are read
        should give those of the whole task and those about that client, in chain order, and nobody else's
        should give no more of them, the more clients there are
given several tasks
    when the events of one client are read without naming a task
        should give what concerns it in all of them
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from protocol.messages import chain as on_chain
from protocol.messages.following import ABOUT_ONE, NO_CLIENT, concerns
from storage.ledger.signer import Signer
from tests.ports.ledger_scene import IMPLEMENTATIONS, PortScene, scene_on
from tests.samples import private_key

PARTICIPATION, BOND = 400, 2_500


@pytest.fixture(params=IMPLEMENTATIONS)
def scene(request: pytest.FixtureRequest) -> Iterator[PortScene]:
    with scene_on(request.param) as scene:
        yield scene


def whom(event: on_chain.Event) -> object:
    return getattr(event, "client", None)


def kinds(events: list[on_chain.Event], client: bytes | None = None) -> list[str]:
    return [type(event).__name__ for event in events if client is None or whom(event) == client]


def test_one_client_s_are_the_task_s_and_its_own(scene: PortScene) -> None:
    scene.terms = replace(scene.terms, participation=PARTICIPATION, edge_bond=BOND, dispute_seconds=0)
    scene.post()
    scene.edge.place_bond(1, scene.edge.sender, BOND)
    scene.enrol_all()
    first, second, third = scene.clients
    scene.edge.leave(scene.leave(first))
    scene.open_posted_round()
    for client in (second, third):
        scene.edge.commit_direct(scene.commitment(client), scene.place(client))
    scene.chain.pass_time(scene.terms.commit_seconds + scene.terms.settle_seconds + 1)
    scene.edge.expire_round(1, 1)
    scene.edge.compensate(1, 1, second.address, scene.place(second), None)
    everything = scene.edge.events(1)
    for address in (*(one.address for one in scene.clients), NO_CLIENT):
        found = scene.edge.events(1, client=address)
        assert found == [event for event in everything if concerns(event, address)]
        assert {whom(event) for event in found} <= {address, None}
    own = {
        client.address: kinds(scene.edge.events(1, client=client.address), client.address) for client in scene.clients
    }
    assert own == {
        first.address: ["Enrolled", "Left"],
        second.address: ["Enrolled", "DirectCommitted", "Compensated"],
        third.address: ["Enrolled", "DirectCommitted"],
    }
    shared = kinds(scene.edge.events(1, client=NO_CLIENT))
    assert shared == [name for name in kinds(everything) if name not in {kind.__name__ for kind in ABOUT_ONE}]
    assert {"TaskPosted", "RoundOpened", "RoundExpired"} <= set(shared) and "RosterPosted" not in shared


def test_they_do_not_grow_with_the_crowd(scene: PortScene) -> None:
    scene.terms = replace(scene.terms, max_clients=9)
    scene.post()
    scene.enrol_all()
    client, later = scene.clients[0].address, scene.edge.block_number() + 1
    before = scene.edge.events(1, client=client)
    scene.edge.enrol([scene.enrolment(Signer(private_key("of the crowd", number))) for number in range(2)])
    assert scene.edge.events(1, client=client) == before
    assert scene.edge.events(1, later, client) == [] != scene.edge.events(1, later)


def test_without_a_task_they_are_of_all(scene: PortScene) -> None:
    for _ in range(2):
        scene.post()
    scene.enrol_all()
    found = scene.edge.events(client=scene.clients[1].address)
    assert kinds(found) == ["TaskPosted", "TaskPosted", "Enrolled"]
