"""A stake in a token in every implementation of the port: approved, fetched, returned, to the last unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from storage.ledger.deposits import CALL_GAS, FundsError, bring
from tests.ports.chain_token import ChainToken
from tests.ports.ledger_scene import IMPLEMENTATIONS, PortScene, Scene, scene_on
from tests.ports.reference_chain import ReferenceChain, ReferenceToken

STAKE = 90


@pytest.fixture(params=IMPLEMENTATIONS)
def scene(request: pytest.FixtureRequest) -> Iterator[PortScene]:
    with scene_on(request.param) as scene:
        yield scene


@pytest.fixture
def token(scene: PortScene) -> Iterator[ChainToken | ReferenceToken]:
    if isinstance(scene, Scene):
        on_chain = ChainToken(scene.chain, scene.address)
        yield on_chain
        on_chain.close()
    else:
        assert isinstance(scene.chain, ReferenceChain)
        yield scene.chain.token()


def test_a_stake_in_a_token(scene: PortScene, token: ChainToken | ReferenceToken) -> None:
    payer, client = scene.edge, scene.clients[0]
    scene.terms = replace(scene.terms, token=token.address, stake=STAKE)
    token.mint(scene.manufacturer.sender, scene.escrow)
    assert bring(scene.manufacturer, token.address, scene.escrow) == 0
    scene.manufacturer.post_task(scene.terms, 0)
    with pytest.raises(FundsError):
        bring(payer, token.address, STAKE)
    token.mint(payer.sender, STAKE)
    assert bring(payer, token.address, STAKE) == 0
    assert payer.allowance(token.address, payer.sender) == STAKE
    gas = payer.enrol([scene.enrolment(client)]).gas_used
    assert gas * 5 // 4 < CALL_GAS, "or a phone that is told it has enough has not"
    assert payer.allowance(token.address, payer.sender) == payer.balance(payer.sender, token.address) == 0
    scene.chain.pass_time(scene.terms.enrolment_seconds + scene.terms.roster_seconds + 1)
    payer.return_stake(1, client.address)
    assert payer.balance(client.address, token.address) == STAKE
