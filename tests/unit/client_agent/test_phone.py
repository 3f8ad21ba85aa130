"""A phone, step by step, through whole tasks: nothing that is withheld stops it, and no kill doubles anything."""

from __future__ import annotations

import math
from pathlib import Path
from unittest import mock

import pytest

from client_agent.edge_client import TaskEnded
from protocol.errors import EncryptionError, VerificationError
from protocol.incentives.rewards import admit, first_allocation
from protocol.messages.chain import Left
from storage.records.interface import RecordsError
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, UNTIL_END, FatalRecords, Phone, delivered, owed, play_round
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, OTHERS, PHONE, ROUNDS, PlayedServer, SmallTrainer


def test_a_whole_task_without_a_sleep(tmp_path: Path) -> None:
    phone = Phone(PlayedServer(), tmp_path)
    phone.steps(60)
    for _ in range(ROUNDS):
        play_round(phone)
    assert delivered(phone.server) == {1, 2, 3}
    assert [len(sent) for sent in phone.server.submitted.values()] == [1, 1, 1]
    assert phone.paid() == owed(phone.server, ROUNDS) > 0
    assert phone.agent.step() is None
    assert set(phone.agent.bytes_per_round) == {1, 2, 3}


def test_a_step_looks_at_the_chain_once(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.open()
    with mock.patch.object(server.chain, "head", side_effect=server.chain.head) as head:
        for looks in range(1, 5):  # news, the update, its submission, nothing more to do
            deadline = phone.agent.step()
            assert head.call_count == looks
            assert deadline is not None
            server.chain.time = max(server.chain.time, math.ceil(deadline)) if looks == 2 else server.chain.time
    assert [len(sent) for sent in server.submitted.values()] == [1]


def test_an_announcement_is_held_against_a_chain_that_was_read_after_it(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    agent, announced = phone.agent, server.next_round

    def opens(task: int, after: int, wait_seconds: int) -> object:
        server.open()
        return announced(task, after, wait_seconds)

    with (
        mock.patch.object(server, "next_round", side_effect=opens),
        mock.patch.object(agent.watch, "check_announcement", side_effect=VerificationError("a lie")) as check,
        mock.patch.object(server, "turn") as turn,
    ):
        agent.step()
        assert not check.called, "the round is not known yet"
        agent.step()
    assert (check.call_args.args[0].round, check.call_count, turn.call_count) == (1, 1, 1)


def test_a_kill_before_and_after_every_durable_entry_changes_nothing(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path, FatalRecords(), FatalRecords())
    phone.steps(300)  # every life before the enrolment waits for an instant of its own
    for _ in range(ROUNDS):
        play_round(phone)
    assert phone.lives > 20
    assert delivered(server) == {1, 2, 3}
    for number, sent in server.submitted.items():
        assert len(set(sent)) == 1, f"two updates in round {number}"
    assert phone.paid() == owed(server, ROUNDS)
    assert phone.charged() == {1, 2, 3}


def test_no_label_sees_a_second_update(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.open()
    phone.steps(UNTIL_BATCH)
    with pytest.raises(EncryptionError, match="E_EPOCH"):
        phone.agent.participation.seal(server.spec, SmallTrainer(), 1, 10**12)


def test_a_server_that_dies_costs_gas_and_no_round(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.away = True
    for _ in range(ROUNDS):
        server.open()
        phone.steps(UNTIL_END)
        server.publish()
        phone.steps(COMMIT_SECONDS)
    assert delivered(server) == {1, 2, 3}
    assert server.submitted == {}
    assert phone.paid() == owed(server, ROUNDS)


def test_an_end_counts_once_the_chain_knows_it(tmp_path: Path) -> None:
    """The server says so too early; a phone that believed it would miss the next round."""
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    with mock.patch.object(server, "next_round", return_value=TaskEnded()):
        phone.steps(60)
    play_round(phone)
    assert delivered(server) == {1}


def test_a_server_that_announces_nothing_keeps_nobody_out(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    with mock.patch.object(server, "next_round", return_value=None):
        play_round(phone)
    assert delivered(server) == {1}


def test_a_task_that_finds_too_few_clients_is_over_for_the_phone(tmp_path: Path) -> None:
    server = PlayedServer()
    server.chain.blocks = server.chain.blocks[:1]
    phone = Phone(server, tmp_path)
    phone.steps(600)
    assert phone.agent.step() is not None, "others may still enrol"
    phone.steps(10)
    assert phone.agent.step() is None
    assert any("only 1 of at least 2 clients had enrolled in time" in line for line in phone.told)


def test_a_phone_that_left_claims_what_it_earned_and_ends(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.open()
    phone.steps(UNTIL_BATCH)
    server.chain.mine(Left, client=PHONE.address, signature=bytes(65))
    server.commit_batch()
    phone.steps(UNTIL_BATCH)
    server.publish()
    phone.steps(COMMIT_SECONDS)
    assert phone.paid() == owed(server, 1) > 0
    server.open()
    phone.steps(COMMIT_SECONDS)
    assert 2 not in server.submitted


def test_a_round_that_the_lot_gives_to_others_is_one_without_work(tmp_path: Path) -> None:
    """No fault of anybody: nothing is trained, sent or charged, and no other server is asked."""
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    with mock.patch.object(server, "turn") as turn:
        server.open(dict.fromkeys(OTHERS, 2), beacon=b"\7" * 32)
        phone.steps(UNTIL_END)
        server.publish()
        phone.steps(COMMIT_SECONDS)
        assert not turn.called
    assert phone.told[-1] == "round 1: not planned"
    assert (server.submitted, phone.charged()) == ({}, set())
    assert phone.agent._failures == 0
    play_round(phone)
    assert (delivered(server), phone.charged()) == ({2}, {2})


def test_a_phone_enrols_while_the_task_runs_and_works_once_it_is_planned(tmp_path: Path) -> None:
    server = PlayedServer(roster_rounds=1)
    server.reputations.pop(PHONE.address)
    server.allocation = server.allocations[0] = first_allocation(1, server.reputations)
    server.open()
    server.chain.time += UNTIL_END
    server.publish()
    server.chain.time += COMMIT_SECONDS
    phone = Phone(server, tmp_path)
    phone.steps(60)
    assert PHONE.address in phone.agent.followed.state.enrolled
    server.allocation = admit(server.allocation, {PHONE.address: 2})
    play_round(phone)
    assert (list(server.submitted), phone.charged()) == ([2], {2})
    play_round(phone)
    assert delivered(server) == {2, 3}
    assert phone.paid() == owed(server, ROUNDS) > 0


def test_what_keeps_a_phone_waiting_is_said_once(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.open()
    with mock.patch.object(phone.records, "append", side_effect=RecordsError("no space left on the device")):
        phone.steps(COMMIT_SECONDS // 2)
    said = [line for line in phone.told if "no space left" in line]
    assert len(said) == 1 and said[0].startswith("it goes on trying: ")


def test_an_owner_who_does_not_agree_sends_nothing(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.agent.agreement.agree = lambda _: False
    assert phone.agent.run() is False
    assert len(phone.told) == 1
    assert len(server.chain.events()) == 3, "the task and the other clients"


def test_a_spec_that_is_withheld_later_keeps_nobody_from_its_reward(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    for _ in range(ROUNDS - 1):
        play_round(phone)
    server.open()
    phone.steps(UNTIL_BATCH)
    server.commit_batch()
    server.publish()
    server.store.objects = {
        name: data for name, data in server.store.objects.items() if b"edge_substitutes" not in data
    }
    phone.start()
    phone.steps(COMMIT_SECONDS)
    assert phone.paid() == owed(server, ROUNDS)


@pytest.mark.parametrize("label", ["another", "the same"])
def test_a_plan_that_the_chain_replaced_gets_no_second_update(label: str, tmp_path: Path) -> None:
    """The round was sealed, then reopened by a reorganisation; its keys are erased."""
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    height = len(server.chain.blocks)
    server.open()
    phone.steps(UNTIL_BATCH)
    server.chain.fall_back(height)
    server.number = 0
    server.open(dict.fromkeys(server.reputations, 3 if label == "another" else 2))
    phone.steps(UNTIL_BATCH)
    assert len(set(server.submitted[1])) == 1
    if label == "another":
        server.submitted.clear()
    server.commit_batch()
    phone.steps(UNTIL_END - UNTIL_BATCH)
    server.publish()
    play_round(phone)
    assert delivered(server) == ({2} if label == "another" else {1, 2})
    assert not phone.folder.exists() or not list(phone.folder.iterdir()), "nobody is accused"


def test_a_round_that_did_not_concern_the_phone_may_come_again_and_concern_it(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    height = len(server.chain.blocks)
    server.open(dict.fromkeys(OTHERS, 2))
    phone.steps(10)
    assert phone.told[-1] == "round 1: not planned"
    server.chain.fall_back(height)
    server.number = 0
    server.open()
    phone.steps(UNTIL_BATCH)
    assert 1 in server.submitted
