"""What a phone earned comes to its account: relayed, sent by itself, or made again when the chain takes it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from client_agent.edge_client import EdgeRefusedError, EdgeUnavailableError
from client_agent.payout import PROOF_SECONDS, RELAYS, SENDS
from protocol.messages.chain import Claimed, Credited
from protocol.messages.settlement import ProvenEntitlement
from storage.ledger.interface import LedgerError, UnansweredError
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, UNTIL_END, Phone, owed, play_round
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, PHONE, ROUNDS, PlayedServer


def test_a_server_that_relays_spares_the_phone_its_gas(tmp_path: Path) -> None:
    server = PlayedServer()
    server.relays = True
    phone = Phone(server, tmp_path)
    phone.steps(60)
    for _ in range(ROUNDS):
        play_round(phone)
    assert [type(event) for event in server.chain.events()].count(Claimed) == 1
    assert phone.paid() == owed(server, ROUNDS)
    assert f"received {phone.paid()} wei, reputation 5" in phone.told


def test_a_claim_without_gas_waits_for_its_owner(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    with mock.patch.object(server.chain, "claim", side_effect=LedgerError("no gas")):
        for _ in range(ROUNDS):
            play_round(phone)
    assert phone.agent.step() is None
    assert "earned but not claimed yet" in phone.told[-1]
    phone.start()
    phone.steps(COMMIT_SECONDS)
    assert phone.paid() == owed(server, ROUNDS)


def test_a_claim_without_gas_outlasts_servers_that_are_away(tmp_path: Path) -> None:
    """Requests that no server answered are none of those after which the claim is left to the owner."""
    server = PlayedServer()
    server.relays = True
    phone = Phone(server, tmp_path)
    phone.steps(60)
    gone, poor = EdgeUnavailableError("refused"), LedgerError("no gas")
    asked = [gone] * (2 * (RELAYS + SENDS)) + [EdgeRefusedError("starting")] * (RELAYS - 1) + [mock.DEFAULT]
    with (
        mock.patch.object(phone.agent.edge, "request_claim", wraps=server.request_claim, side_effect=asked) as request,
        mock.patch.object(server.chain, "claim", side_effect=[poor] * SENDS + [mock.DEFAULT]),
    ):
        for _ in range(ROUNDS):
            play_round(phone)
        phone.steps(len(asked) * PROOF_SECONDS)
    assert request.call_count == len(asked)
    assert phone.agent.step() is None
    assert [text for text in phone.told if "goes on asking" in text]


def test_an_endpoint_that_is_away_for_long_uses_no_attempt_up(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    away = [UnansweredError("HTTP 503: gone")] * (2 * SENDS) + [mock.DEFAULT]
    with mock.patch.object(server.chain, "claim", wraps=server.chain.claim, side_effect=away) as claim:
        for _ in range(ROUNDS):
            play_round(phone)
        phone.steps(30 * SENDS)
    assert claim.call_count == len(away)
    assert phone.paid() == owed(server, ROUNDS)
    assert not any("not claimed yet" in text for text in phone.told)


def test_a_claim_that_fails_once_is_sent_again(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    lost = [LedgerError("lost"), mock.DEFAULT]
    with mock.patch.object(server.chain, "claim", wraps=server.chain.claim, side_effect=lost) as claim:
        for _ in range(ROUNDS):
            play_round(phone)
    assert claim.call_count == 2
    assert phone.paid() == owed(server, ROUNDS)


def test_what_could_not_be_paid_is_fetched(tmp_path: Path) -> None:
    """The token was paused when the claim was sent; the phone asks for it once, and its owner later."""
    server = PlayedServer()
    phone, chain = Phone(server, tmp_path), server.chain

    def owe(task: int, proven: ProvenEntitlement) -> None:
        type(chain).claim(chain, task, proven)
        chain.mine(Credited, holder=PHONE.address, amount=proven.entitlement.cumulative)

    away = UnansweredError("HTTP 429: slow down")
    withdraw = mock.Mock(side_effect=[away, LedgerError("PaymentFailed")])
    ledger: dict[str, Any] = {"credit": lambda *_: 7, "sender": PHONE.address, "withdraw": withdraw}
    with mock.patch.multiple(chain, create=True, **ledger), mock.patch.object(chain, "claim", owe):
        phone.steps(60)
        for _ in range(ROUNDS):
            play_round(phone)
        assert phone.agent.step() is None
    assert withdraw.call_args_list == 2 * [mock.call(1, PHONE.address, PHONE.address)], "a bad answer is none"
    assert any("waits in the ledger (hearth withdraw)" in text for text in phone.told)


@pytest.mark.parametrize("relays", [True, False], ids=["relayed", "sent by the phone"])
def test_a_claim_that_the_chain_takes_back_is_made_again(relays: bool, tmp_path: Path) -> None:
    server = PlayedServer(confirmations=2)
    server.relays = relays
    phone = Phone(server, tmp_path)
    chain = server.chain

    def pass_time(seconds: int) -> None:
        for _ in range(3):
            chain.mine()
        phone.steps(seconds)

    phone.steps(60)
    for _ in range(ROUNDS):
        server.open()
        pass_time(UNTIL_BATCH)
        server.commit_batch()
        pass_time(UNTIL_END - UNTIL_BATCH)
        server.publish()
        pass_time(COMMIT_SECONDS)
    assert phone.paid() == owed(server, ROUNDS) > 0
    assert not any("received" in text for text in phone.told)
    chain.fall_back(len(chain.blocks) - 1)
    assert phone.paid() == 0
    phone.steps(COMMIT_SECONDS)
    assert phone.paid() == owed(server, ROUNDS)
    pass_time(COMMIT_SECONDS)
    assert phone.agent.step() is None
    assert f"received {phone.paid()} wei, reputation 5" in phone.told
