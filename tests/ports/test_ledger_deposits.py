"""A stake in a token in every implementation of the port: approved, fetched, returned, to the last unit.

given a token that changes an allowance from zero or to zero only
    when another allowance stands
        should take that one back first, and have asked for the gas of both
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import Mock

import pytest

from protocol.identifiers import NATIVE_COIN
from storage.ledger.deposits import APPROVAL_GAS, CALL_GAS, FundsError, bring, require_funds
from tests.ports.chain_token import ChainToken
from tests.ports.chains import KINDS
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


@pytest.mark.parametrize("scene", KINDS, indirect=True)
def test_a_token_that_changes_no_allowance_that_stands(scene: Scene) -> None:
    token, payer = ChainToken(scene.chain, scene.address), scene.edge
    token.mint(payer.sender, STAKE)
    token.hesitate()
    for amount, transactions in ((STAKE - 1, 1), (STAKE, 2), (STAKE, 0), (0, 1), (0, 0)):
        before = scene.chain.sent(payer.sender)
        assert bring(payer, token.address, amount) == 0
        assert payer.allowance(token.address, payer.sender) == amount
        assert scene.chain.sent(payer.sender) - before == transactions
    token.close()


def test_the_gas_of_both_approvals_is_asked_for() -> None:
    ledger = Mock(sender=b"\x01" * 20)
    ledger.balance.side_effect = lambda owner, token=NATIVE_COIN: 10**9
    for standing, approvals in ((STAKE, 0), (0, 1), (STAKE - 1, 2)):
        ledger.allowance.return_value = standing
        ledger.fee_wei.side_effect = lambda gas: gas
        require_funds(ledger, b"\x02" * 20, STAKE)
        assert ledger.fee_wei.call_args.args == (CALL_GAS + approvals * APPROVAL_GAS,)
