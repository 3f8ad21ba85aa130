"""A round's openings are requested, in every implementation of the ledger port.

given a round in which one client committed by itself
    when its openings are requested
        should say the block that draws the sketch, with its hash, and show the request
        should take no commitment any more, and no second request
    when the request counts other direct commitments, or names a block to come
        should refuse, with the facts
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.messages.chain import ScreeningRequested
from protocol.messages.following import NO_CLIENT
from protocol.round.state_table import RoundState
from storage.ledger.interface import LedgerError, TransactionRevertedError
from tests.ports.ledger_scene import IMPLEMENTATIONS, REQUEST, PortScene, scene_on

SKETCH = b"\x14" * 32


@pytest.fixture(params=IMPLEMENTATIONS)
def scene(request: pytest.FixtureRequest) -> Iterator[PortScene]:
    with scene_on(request.param) as scene:
        scene.open_first_round()
        scene.edge.commit_direct(scene.commitment(scene.clients[0]), scene.place(scene.clients[0]))
        scene.chain.pass_time(scene.terms.commit_seconds + 1)
        scene.chain.mine()
        yield scene


def test_openings_are_requested_once_and_a_block_draws_the_sketch(scene: PortScene) -> None:
    edge = scene.edge
    named = edge.block_number()
    assert edge.round(1, 1).screening == bytes(32)
    receipt = edge.request_screening(1, 1, named, 1, SKETCH)
    (event,) = receipt.logs
    assert isinstance(event, ScreeningRequested)
    assert (event.task, event.round, event.request) == (1, 1, SKETCH)
    assert (event.beacon_block, event.beacon) == (named, edge.block_hash(named))
    assert edge.events(1, receipt.block) == edge.events(1, receipt.block, NO_CLIENT) == [event]
    shown = edge.round(1, 1)
    assert (shown.state, shown.screening, shown.request) == (RoundState.OPEN, SKETCH, bytes(32))
    with pytest.raises(TransactionRevertedError, match="AlreadyScreened"):
        edge.request_screening(1, 1, named, 1, SKETCH)
    edge.request_key(1, 1, REQUEST)
    shown = edge.round(1, 1)
    assert (shown.state, shown.screening, shown.request) == (RoundState.REQUESTED, SKETCH, REQUEST)


def test_what_does_not_fit_is_refused_with_the_facts(scene: PortScene) -> None:
    edge = scene.edge
    named = edge.block_number()
    for name, arguments, asked in (
        ("DirectWrong", (2, 1), (named, 2, SKETCH)),
        ("BeaconUnknown", (named + 9,), (named + 9, 1, SKETCH)),
        ("DigestZero", (), (named, 1, bytes(32))),
    ):
        with pytest.raises(TransactionRevertedError) as caught:
            edge.request_screening(1, 1, *asked)
        assert (caught.value.name, caught.value.arguments) == (name, arguments)
    with pytest.raises(LedgerError):
        edge.request_screening(1, 1, named, 2**32, SKETCH)
    with pytest.raises(TransactionRevertedError, match="NotEdgeServer"):
        scene.manufacturer.request_screening(1, 1, named, 1, SKETCH)
    assert edge.round(1, 1).screening == bytes(32)
