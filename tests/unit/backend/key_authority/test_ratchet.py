"""Keys move on with every answer and never back; an authority killed at any durable step has one answer per label."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from backend.key_authority.service import KeyAuthority
from protocol.canonical import decode
from protocol.encryption.committee import authority_share, ratchet, subsets_without
from protocol.errors import EncryptionError, HearthError
from protocol.messages.keys import PartialKeyAnswer
from protocol.round.scheme import RoundScheme
from tests.kills import kill_at
from tests.unit.backend.key_authority.scene import CLIENTS, TASK, Scene, envelope, master_keys, plan, request, spec

HELD = subsets_without(3, 2, 1)
ANSWER_STEPS = 2 + 1 + len(CLIENTS)  # answer, shares; the entry; every share as enrolled


def test_every_answer_moves_all_keys_on_and_erases_the_earlier_ones(scene: Scene) -> None:
    enrolled = {client: authority_share(master_keys(client), 1) for client in CLIENTS}
    for number in (1, 2, 4):  # round 3 ended without a request
        answer = scene.ask_recorded(plan(number), request(plan(number), CLIENTS[:2]), number)
        assert scene.records.shares(TASK, HELD, number + 1) == {
            client: ratchet(keys, number + 1) for client, keys in enrolled.items()
        }
        with pytest.raises(EncryptionError, match="E_EPOCH"):
            scene.records.shares(TASK, HELD, number)
        past = {
            key for keys in enrolled.values() for epoch in range(number + 1) for key in ratchet(keys, epoch).values()
        }
        on_disk = b"".join(path.read_bytes() for path in scene.folder.rglob("*") if path.is_file())
        assert not [key for key in past if key in on_disk or key.hex().encode() in on_disk]
        scene.restart()
        assert scene.ask(plan(number), request(plan(number), CLIENTS[:2]), number) == answer


def test_the_answer_is_under_the_keys_of_its_round(scene: Scene) -> None:
    agreed = plan(3)
    answer = decode(PartialKeyAnswer, scene.ask_recorded(agreed, request(agreed), 3))
    entries = [
        (authority_share(ratchet(master_keys(part.client), 3), 1), part.nonce, part.weight)
        for part in request(agreed).entries
    ]
    assert answer.residues == RoundScheme.of(agreed, spec().committee).partial_key(1, entries)
    assert answer.signed.statement.key_epoch == 3


def test_a_client_whose_share_comes_late_joins_the_others(empty: Scene) -> None:
    empty.prepare(CLIENTS[:2])
    assert empty.ask_recorded(plan(1), request(plan(1), CLIENTS[:2]))
    empty.ledger.enrol(CLIENTS[2])
    empty.authority.accept_client(TASK, CLIENTS[2], envelope(CLIENTS[2]))
    on_disk = b"".join(path.read_bytes() for path in empty.folder.rglob("*") if path.is_file())
    late = authority_share(master_keys(CLIENTS[2]), 1)
    kept = [epoch for epoch in range(4) if all(key in on_disk for key in ratchet(late, epoch).values())]
    assert kept == [2]  # what round 1 was encrypted under, without this authority, is not here
    assert empty.ask_recorded(plan(2), request(plan(2)), 2)
    empty.restart()
    assert empty.records.shares(TASK, HELD, 3)[CLIENTS[2]] == ratchet(authority_share(master_keys(CLIENTS[2]), 1), 3)


def test_an_earlier_round_gets_no_answer_after_a_later_one(scene: Scene) -> None:
    assert scene.ask_recorded(plan(2), request(plan(2)), 2)
    with pytest.raises(EncryptionError, match="E_EPOCH"):
        scene.ask_recorded(plan(1), request(plan(1)))


def test_two_requests_for_one_label_at_the_same_moment(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has passed every check when another one is answered."""
    agreed, compute = plan(), KeyAuthority._partial_key
    shown, other = request(agreed), request(agreed, CLIENTS[:2])
    answers: list[bytes] = []

    def overtaken(self: KeyAuthority, *arguments: Any) -> bytes:
        monkeypatch.setattr(KeyAuthority, "_partial_key", compute)
        computed = compute(self, *arguments)
        answers.append(scene.ask_recorded(agreed, other))
        return computed

    monkeypatch.setattr(KeyAuthority, "_partial_key", overtaken)
    with pytest.raises(EncryptionError, match="E_LABEL_USED"):
        scene.ask_recorded(agreed, shown)
    assert [scene.ask_recorded(agreed, other)] == answers


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, ANSWER_STEPS + 1))
def test_killed_at_any_durable_step_it_never_gives_a_second_answer(tmp_path: Path, when: str, step: int) -> None:
    """A real SIGKILL; then the chain shows another request, then the first one again."""
    agreed, scene = plan(), Scene(tmp_path / "authority")
    scene.prepare()
    scene.ledger.record(request(agreed))
    scene.records.close()
    child = os.fork()
    if child == 0:
        try:
            scene.restart()
            kill_at(when, step)
            scene.ask(agreed, request(agreed))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    answered: set[bytes] = set()
    refused: set[str] = set()
    for shown in (request(agreed, CLIENTS[:2]), request(agreed), request(agreed, CLIENTS[:2])):
        scene.restart()
        scene.ledger.record(shown)
        try:
            answered.add(scene.ask(agreed, shown))
        except HearthError as error:
            refused.add(error.code)
    assert refused == {"E_EPOCH"}
    assert len(answered) == 1
    first = decode(PartialKeyAnswer, answered.pop()).signed.statement.request
    durable = step > 3 or (step == 3 and when == "after")  # the entry is the third
    assert first == (request(agreed) if durable else request(agreed, CLIENTS[:2])).digest()
    assert len(list(scene.folder.rglob("share-*"))) == 1
    scene.records.close()
