"""A phone fetches what it is owed once, whatever becomes of its transactions, and does not end before."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from client_agent.compensation import RETRY_SECONDS, SENDS
from storage.ledger.interface import LedgerError, TransactionRevertedError, UnansweredError
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, UNTIL_END, KilledError, owed, play_round
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, ROUNDS, PlayedServer
from tests.unit.client_agent.scene_unpublished import (
    PARTICIPATION,
    commit,
    compensated,
    enrolled,
)


@pytest.mark.parametrize("lands", [True, False])
def test_a_kill_while_it_is_sent_makes_no_second_payment(lands: bool, tmp_path: Path) -> None:
    """The next life asks the ledger first."""
    phone = enrolled(tmp_path)
    chain = phone.server.chain
    commit(phone)
    phone.server.expire()

    def killed(*arguments: Any) -> None:
        if lands:
            type(chain).compensate(chain, *arguments)
        raise KilledError

    with mock.patch.object(chain, "compensate", side_effect=killed), pytest.raises(KilledError):
        phone.agent.step()
    with mock.patch.object(chain, "compensate", wraps=chain.compensate) as sent:
        phone.start()
        phone.steps(COMMIT_SECONDS)
    assert compensated(phone.server) == [(1, PARTICIPATION)]
    assert sent.called is not lands


def test_a_payment_that_only_the_ledger_tells_of_is_not_asked_for_again(tmp_path: Path) -> None:
    """Events may lag behind."""
    phone = enrolled(tmp_path)
    commit(phone)
    chain = phone.server.chain
    with mock.patch.object(chain, "is_compensated", return_value=True), mock.patch.object(chain, "compensate") as sent:
        phone.server.expire()
        phone.steps(COMMIT_SECONDS)
    assert not sent.called


def test_a_payment_that_the_chain_takes_back_is_asked_for_again(tmp_path: Path) -> None:
    phone = enrolled(tmp_path, PlayedServer(confirmations=2))
    chain = phone.server.chain

    def pass_time(seconds: int) -> None:
        for _ in range(3):
            chain.mine()
        phone.steps(seconds)

    phone.server.open()
    pass_time(UNTIL_BATCH)
    phone.server.commit_batch()
    pass_time(UNTIL_END - UNTIL_BATCH)
    phone.server.expire()
    phone.steps(RETRY_SECONDS)
    assert compensated(phone.server) == [], "its end may still be taken back"
    pass_time(RETRY_SECONDS)
    assert compensated(phone.server) == [(1, PARTICIPATION)]
    assert not any("received" in text for text in phone.told)
    chain.fall_back(len(chain.blocks) - 1)
    assert compensated(phone.server) == []
    pass_time(COMMIT_SECONDS)
    pass_time(COMMIT_SECONDS)
    assert compensated(phone.server) == [(1, PARTICIPATION)]
    assert any("received" in text for text in phone.told)


def test_without_gas_it_waits_for_its_owner_and_ends(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    for _ in range(ROUNDS - 1):
        play_round(phone)
    commit(phone)
    with mock.patch.object(phone.server.chain, "compensate", side_effect=LedgerError("no gas")) as sent:
        phone.server.expire()
        phone.steps(COMMIT_SECONDS)
        assert phone.agent.step() is None
    assert sent.call_count == SENDS
    assert sum("owed for its update, not fetched yet" in text and "no gas" in text for text in phone.told) == 1
    assert phone.paid() == owed(phone.server, ROUNDS - 1), "the rest came all the same"
    phone.start()
    phone.steps(COMMIT_SECONDS)
    assert compensated(phone.server) == [(ROUNDS, PARTICIPATION)]


def test_the_phone_does_not_end_before_it_was_paid(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    phone.server.relays = True
    for _ in range(ROUNDS - 1):
        play_round(phone)
    commit(phone)
    lost = [LedgerError("lost"), LedgerError("lost"), mock.DEFAULT]
    with mock.patch.object(
        phone.server.chain, "compensate", wraps=phone.server.chain.compensate, side_effect=lost
    ) as sent:
        phone.server.expire()
        phone.steps(2 * RETRY_SECONDS - 1)
        assert (sent.call_count, compensated(phone.server)) == (2, [])
        assert any("reputation" in text for text in phone.told), "its claim is through"
        assert phone.agent.step() is not None
        phone.steps(RETRY_SECONDS)
    assert compensated(phone.server) == [(ROUNDS, PARTICIPATION)]
    assert phone.agent.step() is None


def test_an_endpoint_that_is_away_for_long_uses_no_attempt_up(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    commit(phone)
    away = [UnansweredError("HTTP 503: gone")] * (2 * SENDS) + [mock.DEFAULT]
    chain = phone.server.chain
    with mock.patch.object(chain, "compensate", wraps=chain.compensate, side_effect=away):
        phone.server.expire()
        phone.steps((len(away) + 1) * RETRY_SECONDS)
    assert compensated(phone.server) == [(1, PARTICIPATION)]


def test_somebody_faster_is_no_fault(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    commit(phone)
    chain = phone.server.chain

    def beaten(*arguments: Any) -> None:
        type(chain).compensate(chain, *arguments)
        raise TransactionRevertedError("NothingToPay")

    with mock.patch.object(chain, "compensate", side_effect=beaten):
        phone.server.expire()
        phone.steps(COMMIT_SECONDS)
    assert compensated(phone.server) == [(1, PARTICIPATION)]
    assert not any("not fetched" in text for text in phone.told)


def test_what_has_no_price_costs_no_gas(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = enrolled(tmp_path, server)
    commit(phone)
    server.expire()
    state = phone.agent.followed.refresh()
    assert state.posted is not None
    with (
        mock.patch("protocol.task.round_facts.RoundFacts.compensation", return_value=0),
        mock.patch.object(server.chain, "compensate") as sent,
    ):
        phone.steps(COMMIT_SECONDS)
    assert not sent.called


def test_after_the_claim_period_nothing_is_sent(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    commit(phone)
    phone.server.expire()
    posted = phone.agent.followed.state.posted
    assert posted is not None
    phone.server.chain.time = posted.claim_until + 1
    phone.deadline = phone.server.chain.time
    with mock.patch.object(phone.server.chain, "compensate") as sent:
        phone.steps(COMMIT_SECONDS)
    assert not sent.called
    assert phone.agent.step() is None
