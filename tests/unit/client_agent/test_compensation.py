"""Whoever committed in a round that was not published is paid by the ledger, without any server and any document."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from client_agent.compensation import EXPIRY_SECONDS, RETRY_SECONDS
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import RoundExpired
from protocol.messages.submission import InclusionProof
from storage.ledger.interface import LedgerError
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, UNTIL_END, delivered, play_round
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, ROUNDS, PlayedServer
from tests.unit.client_agent.scene_unpublished import (
    PARTICIPATION,
    REWARD,
    End,
    commit,
    compensated,
    enrolled,
    freeze,
    published_and_frozen,
    requested_and_expired,
)


@pytest.mark.parametrize(
    ("end", "amount"),
    [
        (PlayedServer.expire, PARTICIPATION),
        (freeze, PARTICIPATION),
        (requested_and_expired, REWARD),
        (published_and_frozen, REWARD),
    ],
)
def test_a_commitment_is_paid_though_its_round_is_not_published(end: End, amount: int, tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    commit(phone)
    end(phone.server)
    phone.steps(COMMIT_SECONDS)
    phone.start()
    phone.steps(COMMIT_SECONDS)
    assert compensated(phone.server) == [(1, amount)]
    assert f"round 1 was not published: received {amount} wei for its update" in phone.told


def test_a_direct_commitment_needs_no_batch(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    phone.server.away = True
    phone.server.open()
    phone.steps(UNTIL_END)
    with mock.patch.object(phone.server.chain, "compensate", wraps=phone.server.chain.compensate) as sent:
        phone.server.expire()
        phone.steps(COMMIT_SECONDS)
    assert compensated(phone.server) == [(1, PARTICIPATION)]
    assert sent.call_args.args[-1] is None


def test_neither_server_nor_document_is_needed(tmp_path: Path) -> None:
    """The last round of the task expires; then everything is gone but the chain and the phone's own journal."""
    phone = enrolled(tmp_path)
    for _ in range(ROUNDS):
        commit(phone)
        phone.server.away = True
        phone.server.store.objects = {
            name: data for name, data in phone.server.store.objects.items() if b"edge_substitutes" in data
        }
        if phone.server.number < ROUNDS:
            freeze(phone.server)
            phone.server.away = False
            phone.server.model = phone.server.put(phone.server.layout.to_safetensors(phone.server.parameters))
    phone.server.store.objects.clear()
    phone.start()
    phone.server.expire()
    phone.steps(COMMIT_SECONDS)
    assert compensated(phone.server) == [(number, PARTICIPATION) for number in range(1, ROUNDS + 1)]
    assert phone.agent.step() is None


def test_what_the_journal_lacks_comes_from_the_batch_in_content(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    phone.server.open()
    with mock.patch.object(phone.server, "inclusion_proof", return_value=None):
        phone.steps(UNTIL_BATCH)
    phone.server.commit_batch()
    assert not phone.agent.journal.included
    phone.server.expire()
    phone.steps(COMMIT_SECONDS)
    assert compensated(phone.server) == [(1, PARTICIPATION)]


def test_who_did_not_get_in_asks_for_nothing(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    phone.server.open()
    with (
        mock.patch.object(phone.server, "inclusion_proof", return_value=None),
        mock.patch.object(phone.server.chain, "commit_direct", side_effect=LedgerError("no gas")),
    ):
        phone.steps(COMMIT_SECONDS + 1)
    with mock.patch.object(phone.server.chain, "compensate") as sent:
        phone.server.expire()
        phone.steps(COMMIT_SECONDS)
    assert not sent.called
    assert sum("nothing shows that it had this phone's update" in text for text in phone.told) == 1
    play_round(phone)
    assert delivered(phone.server) == {2}


def test_a_published_round_is_not_asked_for(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    with mock.patch.object(phone.server.chain, "compensate") as sent:
        play_round(phone)
    assert not sent.called


def test_a_round_that_nobody_ends_is_ended_by_its_clients(tmp_path: Path) -> None:
    phone = enrolled(tmp_path)
    commit(phone)
    phone.server.away = True
    (facts,) = phone.agent.followed.refresh().rounds
    phone.steps(facts.opened.settle_until + EXPIRY_SECONDS - phone.server.chain.time)
    assert not any(isinstance(event, RoundExpired) for event in phone.server.chain.events()), "its servers come first"
    phone.steps(RETRY_SECONDS)
    assert [event.round for event in phone.server.chain.events() if isinstance(event, RoundExpired)] == [1]
    assert compensated(phone.server) == [(1, PARTICIPATION)]


def test_the_batch_s_digest_alone_is_no_place_in_it(tmp_path: Path) -> None:
    """An inclusion proof of a batch that the chain took back proves nothing under the one that came instead."""
    phone = enrolled(tmp_path)
    phone.server.open()
    phone.steps(UNTIL_BATCH)
    height = len(phone.server.chain.blocks)
    phone.server.commit_batch()
    phone.steps(UNTIL_BATCH // 2)
    first = phone.agent.journal.included[1]
    phone.server.chain.fall_back(height)
    commitment = phone.agent.journal.sealed[1].commitment
    assert first.root != ZERO_DIGEST
    phone.agent.journal.keep_inclusion(1, b"\7" * 32, InclusionProof(0, (b"\7" * 32,)))
    phone.server.commit_batch()
    phone.server.expire()
    phone.start()
    phone.steps(COMMIT_SECONDS)
    assert compensated(phone.server) == [(1, PARTICIPATION)], "from content"
    assert phone.agent.journal.sealed[1].commitment == commitment
