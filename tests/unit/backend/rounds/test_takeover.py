"""A second server of the task: it follows, takes over when the first is late, and hands nothing back by itself."""

from __future__ import annotations

from unittest import mock

import pytest

from protocol.errors import HearthError
from protocol.messages.chain import (
    KeyRequested,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
)
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.submission import Submission
from storage.ledger.proofs import two_statements
from storage.ledger.signer import Signer
from tests.samples import private_key
from tests.unit.backend.rounds.scene_committee import CLIENTS
from tests.unit.backend.rounds.scene_takeover import SUBSTITUTE, Pair


@pytest.fixture
def pair() -> Pair:
    return Pair()


def _refusal(pair: Pair, server_is_first: bool, round_number: int) -> str:
    server = pair.first if server_is_first else pair.second
    with pytest.raises(HearthError) as caught:
        server.desk.submit(round_number, server.submission(0, round_number))
    return caught.value.code


def _batch(pair: Pair) -> None:
    """Two of three deliver; the first server puts them on chain and waits for the third."""
    first = pair.first
    first.submit(1, (0, 1))
    first.pass_time_to(first.last_batch(1) - 4)
    first.until(lambda: first.facts(1).batched)


def test_a_standby_follows_and_sends_nothing_but_what_anyone_may(pair: Pair) -> None:
    first, second = pair.first, pair.second
    pair.own_committee(away=True)
    second.enrol()
    first.announced(1)
    relayed = pair.transactions(second)
    assert relayed > 0, "enrolments"
    second.announced(1)
    assert _refusal(pair, False, 1) == "E_STANDBY"
    first.submit(1)
    first.ended(RoundPublished, 1)
    second.ended(RoundPublished, 1)
    assert second.desk.inclusion_proof(1, CLIENTS[0].address) == first.desk.inclusion_proof(1, CLIENTS[0].address)
    second.committee.away = False
    first.until(lambda: second.journal.task(1).holders.get(CLIENTS[0].address))  # ready, whenever they come back
    first.submit(2)
    first.until(lambda: (told := second.desk.next_round(2)) and told.round == 0)
    assert (pair.transactions(second), pair.takeovers()) == (relayed, [])
    second.desk.claim(CLIENTS[0].address)
    first.until(lambda: first.ledger.claimed(1, CLIENTS[0].address) > 0)
    assert pair.transactions(second) == relayed + 1


@pytest.mark.parametrize("reached", ["opened", "batched", "requested"])
def test_a_round_that_the_first_left_for_good_is_finished(pair: Pair, reached: str) -> None:
    first, second = pair.first, pair.second
    first.committee.answering = set()
    first.enrol()
    first.announced(1)
    second.announced(1)
    opened = first.facts(1).opened
    if reached == "opened":
        first.crash()
        pair.commit_directly(1)
    if reached == "batched":
        _batch(pair)
        first.crash()
    if reached == "requested":
        first.submit(1)
        first.until(lambda: first.facts(1).requested)
        first.crash()
    sent = pair.transactions(first)
    first.committee.answering = {1, 3}
    pair.pass_takeover(opened.commit_until)
    second.ended(RoundPublished, 1)
    assert len([event for event in pair.events() if isinstance(event, KeyRequested)]) == 1
    assert len(second.record(1).verdict.accepted) == (2 if reached == "batched" else 3)
    second.submit(2)
    second.ended(RoundPublished, 2)
    assert (pair.takeovers(), pair.transactions(first)) == ([SUBSTITUTE.address], sent)
    assert len(second.owed()) == len(CLIENTS)


def test_a_first_round_that_nobody_opened(pair: Pair) -> None:
    first, second = pair.first, pair.second
    first.crash()
    second.enrol()
    first.until(lambda: len(second.state.enrolled) == len(CLIENTS))
    assert second.desk.next_round(0) is None
    pair.pass_takeover(second.ledger.task(1).enrol_until)
    second.submit(1)
    second.ended(RoundPublished, 1)
    assert pair.takeovers() == [SUBSTITUTE.address]


def test_a_first_server_that_comes_back_stands_by(pair: Pair) -> None:
    first, second = pair.first, pair.second
    first.committee.answering = set()
    first.enrol()
    first.announced(1)
    _batch(pair)
    first.crash()
    pair.pass_takeover(first.facts(1).opened.commit_until)
    first.until(lambda: second.facts(1).requested)
    first.start()
    first.announced(1)
    first.committee.answering = {1, 2}
    second.ended(RoundPublished, 1)
    first.announced(2)
    sent = pair.transactions(first)
    assert _refusal(pair, True, 2) == "E_STANDBY"
    second.submit(2)
    second.ended(RoundPublished, 2)
    first.until(lambda: (told := first.desk.next_round(2)) and told.round == 0)
    assert (pair.takeovers(), pair.transactions(first)) == ([SUBSTITUTE.address], sent)


def test_a_first_server_that_is_only_slow_lets_go_of_its_round(pair: Pair) -> None:
    """The authorities answer the second alone; the first does not wait for them to the end of the round."""
    first, second = pair.first, pair.second
    pair.own_committee()
    first.committee.answering = set()
    first.enrol()
    first.submit(1)
    first.until(lambda: first.facts(1).requested)
    pair.pass_takeover(first.facts(1).opened.commit_until)
    second.ended(RoundPublished, 1)
    first.announced(2)
    assert _refusal(pair, True, 2) == "E_STANDBY"
    second.submit(2)
    second.ended(RoundPublished, 2)
    assert pair.takeovers() == [SUBSTITUTE.address]


def _requested_then_lost(pair: Pair) -> Submission:
    """The first server requests the key of three; then it is gone, and so is a ciphertext."""
    first, second = pair.first, pair.second
    first.committee.answering = set()
    first.enrol()
    first.submit(1)
    first.until(lambda: first.facts(1).requested)
    first.crash()
    lost = second.submission(2, 1)
    pair.lose_ciphertext(lost)
    pair.pass_takeover(first.facts(1).opened.commit_until)
    first.until(lambda: (verdict := second.journal.verdict(1, 1)) and len(verdict.accepted) == 2)
    first.committee.answering = {1, 3}
    return lost


def test_a_substitute_goes_on_with_the_set_that_was_requested_once_it_has_it(pair: Pair) -> None:
    """Its own verdict is another one: it could not have what the first server had."""
    second = pair.second
    lost = _requested_then_lost(pair)
    pair.first.until(lambda: (verdict := second.journal.verdict(1, 1)) and len(verdict.accepted) == 3)
    second.crash()
    assert second.submission(2, 1) == lost, "the ciphertext is there again"
    second.start()
    second.ended(RoundPublished, 1)
    assert len(second.record(1).verdict.accepted) == 3 and not second.record(1).verdict.rejected
    assert second.sums(1)[:3] == [2, 2, 2]


def test_what_cannot_be_had_any_more_is_waited_for_to_the_end_of_the_round(pair: Pair) -> None:
    """The first server may have opened it: nobody makes a round of it that is paid less."""
    _requested_then_lost(pair)
    pair.second.ended(RoundExpired, 1)
    assert pair.first.ledger.task(1).reserved == len(CLIENTS) * pair.first.spec.rewards.update_reward
    for server in (pair.first, pair.second):
        assert pair.first.ledger.bond(1, server.signer.address).role == 1


def test_a_request_that_nobody_can_read_is_waited_out(pair: Pair) -> None:
    first, second = pair.first, pair.second
    with mock.patch.object(type(first.ledger), "request_key", autospec=True) as sent:
        sent.side_effect = lambda ledger, task, number, _: ledger._transact("requestKey", task, number, b"\7" * 32)
        first.enrol()
        first.submit(1)
        first.until(lambda: first.facts(1).requested)
    second.ended(RoundExpired, 1)
    assert [type(event) for event in pair.events() if isinstance(event, RoundAbandoned | RoundExpired)] == [
        RoundExpired
    ]
    second.submit(2) if second.state.acting == SUBSTITUTE.address else first.submit(2)
    second.ended(RoundPublished, 2)


def test_a_server_whose_role_ended_acts_no_more(pair: Pair) -> None:
    """It signed two models for its round; the next one is the substitute's."""
    first, second, edge = pair.first, pair.second, Signer(private_key("edge"))
    first.enrol()
    first.announced(1)
    opened, domain = first.facts(1).opened, first.ledger.domain
    words = [RoundStatement(1, 1, opened.label, bytes([model]) * 32) for model in (1, 2)]
    signed = [SignedRoundStatement(word, edge.sign(domain, word)) for word in words]
    second.ledger.dispute(two_statements(edge.address, signed[0], signed[1]))
    first.until(lambda: isinstance(first.ended_as(1), RoundFrozen))
    with (
        mock.patch.object(first.ledger, "open_round", wraps=first.ledger.open_round) as tried,
        mock.patch.object(first.ledger, "head", wraps=first.ledger.head) as looks,
    ):
        first.pass_time_to(opened.commit_until + 1)
        first.until(lambda: looks.call_count > 20)
        pair.pass_takeover(opened.settle_until)
        second.submit(2)
        second.ended(RoundPublished, 2)
    assert (pair.takeovers(), tried.call_count) == ([SUBSTITUTE.address], 0)
    assert [event.round for event in pair.events() if isinstance(event, RoundOpened)] == [1, 2]
