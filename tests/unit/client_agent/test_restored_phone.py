"""A lost phone is put back from a backup that is older than what it did: nothing is done twice, nothing forgotten."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from client_agent.backup import write_backup
from client_agent.copies import CopyError
from client_agent.household_folder import HouseholdFolder
from client_agent.journal import AgentJournal
from client_agent.restoring import LostTask
from protocol.errors import EncryptionError, Party
from protocol.identifiers import Digest
from protocol.messages.chain import Compensated, DirectCommitted, Left
from protocol.messages.submission import SignedLeave
from protocol.randomness import SeededRandomness
from protocol.task.documents import Kind
from storage.ledger.keystore import write_keystore
from storage.records.journal import Journal
from tests.samples import private_key
from tests.unit.client_agent.scene_household import PASSPHRASE, QUICK, HouseholdPhone, restore, rounds
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, UNTIL_END, delivered, owed, play_round
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, PHONE, PlayedServer

LAST = 6


def server_of(**more: object) -> PlayedServer:
    with rounds(LAST):
        return PlayedServer(**more)  # type: ignore[arg-type]


def begun(server: PlayedServer, folder: Path) -> HouseholdPhone:
    """Enrolled, one round done, and its backup in ``folder``."""
    phone = HouseholdPhone(server, HouseholdFolder(folder / "first"))
    phone.steps(60)
    play_round(phone)
    phone.back_up(folder / "backup")
    return phone


def end_round(phone: HouseholdPhone) -> None:
    """Of a round for which the phone has sent, or has not."""
    phone.server.commit_batch()
    phone.steps(UNTIL_END - UNTIL_BATCH)
    phone.server.publish()
    phone.steps(COMMIT_SECONDS)


def directs(server: PlayedServer) -> list[bytes]:
    return [event.client for event in server.chain.events() if isinstance(event, DirectCommitted)]


def nonces(server: PlayedServer) -> dict[int, set[bytes]]:
    return {number: {one.nonce for one in sent} for number, sent in server.submitted.items()}


def test_a_lost_phone_goes_on_after_the_round_that_ran_and_repeats_nothing(tmp_path: Path) -> None:
    server = server_of()
    phone = begun(server, tmp_path)
    play_round(phone)  # the backup does not know of it
    server.open()
    phone.steps(UNTIL_BATCH)  # nor of this one, whose update is on its way
    phone.lose()

    home = restore(server, tmp_path / "backup", tmp_path / "second")
    restored = HouseholdPhone(server, home)
    assert restored.charged() == {1, 2, 3}, "before anything is joined"
    restored.steps(1)  # while the round runs
    end_round(restored)
    while server.number < LAST:
        play_round(restored)
    assert {number: len(found) for number, found in nonces(server).items()} == dict.fromkeys(range(1, LAST + 1), 1)
    assert set(restored.agent.journal.sealed) == {1, 4, 5, 6}
    assert PHONE.address not in directs(server)
    assert delivered(server) == set(range(1, LAST + 1))
    assert restored.charged() == set(range(1, LAST + 1))
    assert restored.paid() == owed(server, LAST) > 0


def test_keys_of_rounds_that_may_have_been_joined_are_gone(tmp_path: Path) -> None:
    server = server_of()
    phone = begun(server, tmp_path)
    play_round(phone)
    server.open()
    phone.lose()
    restored = HouseholdPhone(server, restore(server, tmp_path / "backup", tmp_path / "second"))
    journal = AgentJournal(restored.on_disk)
    assert journal.keys_of(2), "a backup has them still"
    restored.steps(1)
    assert set(restored.agent.journal.sealed) == {1}
    for number in (1, 2, 3):
        with pytest.raises(EncryptionError):
            restored.agent.journal.keys_of(number)
    assert restored.agent.journal.keys_of(4)


def test_a_round_whose_plan_is_withheld_is_charged_as_dear_as_it_could_be(tmp_path: Path) -> None:
    server = server_of(withheld=(Kind.PLAN, 2))
    phone = begun(server, tmp_path)
    server.open()
    phone.steps(UNTIL_BATCH)
    phone.lose()
    restored = HouseholdPhone(server, restore(server, tmp_path / "backup", tmp_path / "second"))
    assert restored.charged() == {1, 2}


def test_a_round_that_was_not_planned_for_it_costs_nothing(tmp_path: Path) -> None:
    server = server_of()
    phone = begun(server, tmp_path)
    others = {client: 2 for client in server.reputations if client != PHONE.address}
    phone.lose()
    server.open({**others, bytes(19) + b"\x07": 2})
    restored = HouseholdPhone(server, restore(server, tmp_path / "backup", tmp_path / "second"))
    assert restored.charged() == {1}


def test_what_the_backup_has_sealed_is_sent_again_and_not_made_again(tmp_path: Path) -> None:
    server = server_of()
    phone = begun(server, tmp_path)
    server.open()
    server.away = True
    phone.steps(UNTIL_BATCH)
    assert set(phone.agent.journal.sealed) == {1, 2} and 2 not in server.submitted
    phone.back_up(tmp_path / "later")
    nonce = phone.agent.journal.sealed[2].commitment.commitment.nonce
    phone.lose()
    server.away = False
    restored = HouseholdPhone(server, restore(server, tmp_path / "later", tmp_path / "second"))
    restored.steps(UNTIL_BATCH)
    assert nonces(server)[2] == {nonce}


def test_a_restored_phone_fetches_what_a_round_owes_that_it_does_not_know_of(tmp_path: Path) -> None:
    server = server_of()
    phone = begun(server, tmp_path)
    server.open()
    phone.steps(UNTIL_BATCH)
    server.commit_batch()
    phone.lose()
    restored = HouseholdPhone(server, restore(server, tmp_path / "backup", tmp_path / "second"))
    server.chain.time += 10 * COMMIT_SECONDS
    server.expire()
    restored.steps(COMMIT_SECONDS)
    terms = server.spec.rewards
    paid = [event.amount for event in server.chain.events() if isinstance(event, Compensated)]
    assert paid == [terms.participation]


def test_a_backup_that_is_restored_twice_charges_and_moves_on_each_time(tmp_path: Path) -> None:
    server = server_of()
    begun(server, tmp_path).lose()
    second = HouseholdPhone(server, restore(server, tmp_path / "backup", tmp_path / "second"))
    second.steps(10)
    play_round(second)
    second.back_up(tmp_path / "again")
    play_round(second)
    second.lose()
    third = HouseholdPhone(server, restore(server, tmp_path / "again", tmp_path / "third"))
    third.steps(10)
    play_round(third)
    assert third.charged() == {1, 2, 3, 4}
    assert {number: len(found) for number, found in nonces(server).items()} == dict.fromkeys((1, 2, 3, 4), 1)


def test_two_phones_of_one_account_find_each_other_and_the_later_one_stops(tmp_path: Path) -> None:
    server = server_of()
    phone = begun(server, tmp_path)
    restored = HouseholdPhone(server, restore(server, tmp_path / "backup", tmp_path / "second"))
    restored.steps(10)
    server.open()
    opening = server.chain.time
    phone.steps(UNTIL_BATCH)  # it was not lost after all
    server.chain.time, restored.deadline = opening, float(opening)
    restored.steps(UNTIL_BATCH)
    assert len(nonces(server)[2]) == 2, "nobody can prevent it before the batch tells"
    server.commit_batch()
    with pytest.raises(CopyError) as refused:
        restored.steps(COMMIT_SECONDS)
    assert refused.value.fault is Party.OURS
    assert PHONE.address not in directs(server), "nor does it put its own update in the place of the other one"


def test_a_phone_says_nothing_in_a_round_before_the_chain_was_asked(tmp_path: Path) -> None:
    server = server_of()
    phone = begun(server, tmp_path)
    phone.lose()
    home = restore(server, tmp_path / "backup", tmp_path / "second")
    with Journal(home.task_folder(server.chain.domain, 1) / "journal") as records:
        journal = AgentJournal(records)
        assert (journal.is_resumed, journal.passed) == (False, 0)
        enrolment: Digest | None = journal.enrolment
    assert enrolment not in (None, phone.agent.journal.envelope)


def test_a_task_that_the_backup_does_not_know_is_charged_left_and_paid(tmp_path: Path) -> None:
    server, left = PlayedServer(), list[SignedLeave]()
    home = HouseholdFolder(tmp_path / "first")
    home.path.mkdir()
    write_keystore(home.keystore, private_key("client", 0), "secret")
    write_backup(home, tmp_path / "backup", PASSPHRASE, SeededRandomness(b"backup"), log_n=QUICK)
    phone = HouseholdPhone(server, home)
    phone.steps(60)
    play_round(phone)
    play_round(phone)
    phone.lose()

    lost = list[LostTask]()
    again = restore(server, tmp_path / "backup", tmp_path / "second", lost)
    ((folder, domain, task, client),) = ((one.folder.name, one.domain, one.task, one.client) for one in lost)
    assert (domain, task, client) == (server.chain.domain, 1, PHONE.address)
    assert folder == again.task_folder(domain, task).name
    restored = HouseholdPhone(server, again)
    assert restored.charged() == {1, 2}

    def leave(signed: SignedLeave) -> None:
        left.append(signed)
        server.chain.mine(Left, client=signed.leave.client, signature=signed.signature)

    with mock.patch.object(server, "leave", leave, create=True):
        server.open()
        restored.steps(UNTIL_BATCH)
        assert 3 not in server.submitted, "it has no keys for it"
        server.commit_batch()
        server.publish()
        restored.steps(3 * COMMIT_SECONDS)
    assert len(left) == 1
    assert restored.paid() == owed(server, 2) > 0
    assert restored.agent.step() is None
