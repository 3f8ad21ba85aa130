"""What the edge server may not forget."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from backend.rounds.journal import AT_ONCE, EdgeJournal
from protocol.messages.round import SignedEndorsement
from protocol.messages.settlement import Verdict
from protocol.messages.submission import Submission
from protocol.round.endorsing import endorsement_of
from protocol.round.windows import AHEAD
from storage.ledger.signer import Signer
from storage.records.interface import RecordsDamagedError
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.samples import private_key
from tests.unit.backend.rounds.scene_committee import window_key
from tests.unit.backend.rounds.scene_round import CLIENTS, PlannedRound

AUTHORITY, LABEL = b"\x0a" * 20, PlannedRound().plan.label()
ENDORSED = (SignedEndorsement(endorsement_of(1, 1, LABEL, AUTHORITY), bytes(65)),)


def _keep(journal: EdgeJournal, task: int, number: int, submission: Submission) -> Submission | None:
    """What is kept of the client then."""
    return journal.keep_submissions(task, number, LABEL, [submission]).submissions.get(submission.client)


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    scene, journal = PlannedRound(), EdgeJournal(Journal(tmp_path / "journal"))
    verdict = Verdict(scene.plan.label(), tuple(CLIENTS[:2]), ())
    assert journal.state_round(1, 1, LABEL)
    assert _keep(journal, 1, 1, scene.submission(0))
    journal.keep_word(1, AUTHORITY, {CLIENTS[0]}, {CLIENTS[1]})
    journal.keep_verdict(1, 1, verdict)
    journal.keep_endorsements(1, 1, ENDORSED)
    journal.close_batch(1, 2, LABEL)
    journal.close()
    again = EdgeJournal(Journal(tmp_path / "journal"))
    assert again.submissions(1, 1) == {CLIENTS[0]: scene.submission(0)}
    assert again.submissions(1, 2) == {}
    assert _keep(again, 1, 2, scene.submission(0)) is None
    assert again.task(1).holders.get(CLIENTS[0], frozenset()) == {AUTHORITY}
    assert [client in again.task(1).refused for client in CLIENTS] == [False, True, False]
    assert [client in again.task(2).refused for client in CLIENTS] == [False, False, False]
    assert again.verdict(1, 1) == verdict
    assert again.verdict(1, 2) is None
    assert again.task(1).round(1).endorsements == ENDORSED
    again.close()


def test_the_first_submission_of_a_client_stands() -> None:
    scene, journal = PlannedRound(), EdgeJournal(MemoryRecords())
    first = scene.submission(0)
    assert _keep(journal, 1, 1, first) == first
    assert _keep(journal, 1, 1, first) == first
    assert _keep(journal, 1, 1, replace(first, nonce=b"\x09" * 16)) == first
    assert journal.submissions(1, 1) == {CLIENTS[0]: first}


def test_nothing_comes_into_a_closed_batch() -> None:
    """Not even through another process of the server, which has the same records."""
    scene, records = PlannedRound(), MemoryRecords()
    journal, other = EdgeJournal(records), EdgeJournal(records)
    assert journal.state_round(1, 1, LABEL)
    assert _keep(other, 1, 1, scene.submission(0))
    assert list(journal.close_batch(1, 1, LABEL)) == CLIENTS[:1]
    assert _keep(other, 1, 1, scene.submission(1)) is None
    assert _keep(other, 1, 1, replace(scene.submission(0), nonce=b"\x09" * 16)) == scene.submission(0)
    assert other.close_batch(1, 1, LABEL) == {CLIENTS[0]: scene.submission(0)}
    assert _keep(other, 1, 2, scene.submission(1)) == scene.submission(1)


def test_a_receipt_is_given_for_what_the_batch_holds_and_nothing_else() -> None:
    """Phones come while the batch is closed, by two processes with two threads each."""
    scene, records = PlannedRound(), MemoryRecords()
    journals = [EdgeJournal(records), EdgeJournal(records)]
    crowd = [replace(scene.submission(0), client=number.to_bytes(20, "big")) for number in range(40)]
    kept: list[Submission] = []
    assert journals[1].state_round(1, 1, LABEL)
    begun = threading.Barrier(5)

    def submit(journal: EdgeJournal, some: list[Submission]) -> None:
        begun.wait()
        kept.extend(sent for sent in some if _keep(journal, 1, 1, sent) == sent)

    threads = [threading.Thread(target=submit, args=(journals[i % 2], crowd[i::4])) for i in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    closed = journals[0].close_batch(1, 1, LABEL)
    for thread in threads:
        thread.join()
    assert {sent.client: sent for sent in kept} == closed == EdgeJournal(records).submissions(1, 1)


def test_a_round_that_is_done_is_forgotten_and_takes_nothing() -> None:
    scene, records = PlannedRound(), MemoryRecords()
    journal = EdgeJournal(records)
    verdict = Verdict(scene.plan.label(), tuple(CLIENTS[:2]), ())
    _keep(journal, 1, 1, scene.submission(0))
    _keep(journal, 1, 2, scene.submission(0))
    journal.keep_verdict(1, 1, verdict)
    journal.keep_endorsements(1, 1, ENDORSED)
    for again in (journal, EdgeJournal(records)):
        again.round_done(1, 1)
        assert again.submissions(1, 1) == {}
        assert again.task(1).round(1).endorsements == ()
        assert _keep(again, 1, 1, scene.submission(1)) is None
        assert list(again.submissions(1, 2)) == CLIENTS[:1]
        assert again.verdict(1, 1) == verdict


def test_the_first_verdict_of_a_round_stands() -> None:
    """The accepted set is what the key is requested for."""
    scene, journal = PlannedRound(), EdgeJournal(MemoryRecords())
    first = Verdict(scene.plan.label(), tuple(CLIENTS[:2]), ())
    journal.keep_verdict(1, 1, first)
    journal.keep_verdict(1, 1, Verdict(scene.plan.label(), tuple(CLIENTS), ()))
    assert journal.verdict(1, 1) == first
    second = replace(first, accepted=())
    assert journal.keep_verdict(1, 1, second, instead_of=second) == first
    assert journal.keep_verdict(1, 1, second, instead_of=first) == second == journal.verdict(1, 1)


def test_the_word_of_several_authorities_adds_up() -> None:
    records, others = MemoryRecords(), (b"\x0b" * 20, b"\x0c" * 20)
    journal = EdgeJournal(records)
    journal.keep_word(1, AUTHORITY, CLIENTS, ())
    journal.keep_word(1, others[0], CLIENTS[1:], CLIENTS[:1])
    journal.keep_word(1, AUTHORITY, CLIENTS, ())
    journal.keep_word(1, others[1], (), ())
    for again in (journal, EdgeJournal(records)):
        assert again.task(1).holders.get(CLIENTS[0], frozenset()) == {AUTHORITY}
        assert again.task(1).holders.get(CLIENTS[1], frozenset()) == {AUTHORITY, others[0]}
        assert [client in again.task(1).refused for client in CLIENTS] == [True, False, False]


def test_the_word_on_a_crowd_takes_several_changes() -> None:
    crowd = [number.to_bytes(20, "big") for number in range(1, 2 * AT_ONCE + 2)]
    records = MemoryRecords()
    EdgeJournal(records).keep_word(1, AUTHORITY, crowd[: AT_ONCE + 1], crowd[AT_ONCE + 1 :])
    again = EdgeJournal(records).task(1)
    assert all(again.holders.get(client) == frozenset({AUTHORITY}) for client in crowd[: AT_ONCE + 1])
    assert [client in again.refused for client in crowd].count(True) == AT_ONCE


def test_a_changed_verdict_is_noticed(tmp_path: Path) -> None:
    scene, journal = PlannedRound(), EdgeJournal(Journal(tmp_path / "journal"))
    journal.keep_verdict(1, 1, Verdict(scene.plan.label(), tuple(CLIENTS), ()))
    (path,) = tmp_path.rglob("verdict-1-1.json.*")
    path.write_bytes(path.read_bytes().replace(CLIENTS[0].hex().encode(), CLIENTS[1].hex().encode()))
    with pytest.raises(RecordsDamagedError):
        journal.verdict(1, 1)
    journal.close()


def test_the_first_statement_of_a_round_stands() -> None:
    records, other, models = MemoryRecords(), b"\x09" * 32, (b"\x01" * 32, b"\x02" * 32)
    journal = EdgeJournal(records)
    assert journal.state_round(1, 1, LABEL)
    assert journal.state_round(1, 1, LABEL, models[0])
    journal.round_done(1, 1)
    for again in (journal, EdgeJournal(records)):
        assert again.state_round(1, 1, LABEL) and again.state_round(1, 1, LABEL, models[0])
        assert not again.state_round(1, 1, LABEL, models[1])
        assert not again.state_round(1, 1, other) and not again.state_round(1, 1, other, models[0])
        assert again.state_round(1, 2, other) and again.state_round(2, 1, other), "of another round, another word"


def test_what_was_promised_under_one_label_is_in_no_batch_of_another() -> None:
    """The chain took the round back and has it under another label now."""
    scene, journal = PlannedRound(), EdgeJournal(MemoryRecords())
    assert journal.state_round(1, 1, LABEL)
    _keep(journal, 1, 1, scene.submission(0))
    assert journal.close_batch(1, 1, b"\x09" * 32) == {}
    assert list(journal.close_batch(1, 1, LABEL)) == CLIENTS[:1]


def test_the_first_key_of_an_authority_and_window_stays_and_old_windows_go() -> None:
    signers = [Signer(private_key("authority", j)) for j in (1, 2)]
    keys = {(j, window): window_key(signers[j], 1, window) for j in (0, 1) for window in (0, 1, AHEAD + 1)}
    records = MemoryRecords()
    journal = EdgeJournal(records)
    journal.keep_window_keys([keys[0, 0]])
    assert journal.task(1).keyed(2) == frozenset()
    other = replace(keys[0, 0], encryption_key=bytes(1216))
    journal.keep_window_keys([other, keys[1, 0], keys[0, 1]])
    again = EdgeJournal(records).task(1)
    assert again.keys[0] == {signer.address: keys[j, 0] for j, signer in enumerate(signers)}
    assert again.keys[1] == {signers[0].address: keys[0, 1]}
    assert again.keyed(2) == {0}
    journal.keep_window_keys([keys[0, AHEAD + 1], keys[1, 1]])
    assert sorted(journal.task(1).keys) == [1, AHEAD + 1]
    assert journal.task(2).keys == {}


def test_of_forgotten_rounds_what_is_here_is_signed_again_and_nothing_else() -> None:
    scene, records, models = PlannedRound(), MemoryRecords(), (b"\x01" * 32, b"\x02" * 32)
    journal, label = EdgeJournal(records), scene.plan.label()
    assert journal.state_round(1, 1, label)
    assert journal.state_round(1, 2, label, models[0])
    first, second = scene.submission(0), scene.submission(1)
    assert first.client in journal.keep_submissions(1, 2, label, [first]).submissions
    journal.forget(1, 3)
    for again in (journal, EdgeJournal(records)):
        again.forget(1, 2)  # no way back
        assert [again.state_round(1, number, label) for number in (1, 2, 3, 4)] == [True, True, False, True]
        assert [again.state_round(1, 2, label, model) for model in models] == [True, False]
        assert not again.state_round(1, 1, label, models[0]), "there may have been another one"
        assert dict(again.keep_submissions(1, 2, label, [second]).submissions) == {first.client: first}
        assert not again.keep_submissions(1, 3, label, [second]).submissions
        assert second.client in again.keep_submissions(1, 4, label, [second]).submissions
    assert journal.close_batch(1, 2, label).keys() == {first.client}
