"""Kinds of opening: one answer for each label and kind, and the keys of a round until its last kind."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from backend.key_authority.service import KeyAuthority
from protocol.canonical import decode
from protocol.encryption.committee import authority_share, ratchet, subsets_without
from protocol.errors import EncryptionError, HearthError, Party
from protocol.identifiers import Address
from protocol.messages.keys import SUM, KeyRequest, PartialKeyAnswer
from protocol.round import key_request
from tests.kills import kill_at
from tests.unit.backend.key_authority.scene import CLIENTS, TASK, Scene, master_keys, plan, request

OTHER = "other"  # a kind that no suite has: its answer here is a sum again
HELD = subsets_without(3, 2, 1)


@pytest.fixture
def two_kinds(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(key_request, "_KINDS", (SUM, OTHER))
    return scene


def of_kind(kind: str, number: int = 1, clients: Sequence[Address] = CLIENTS) -> KeyRequest:
    return replace(request(plan(number), clients), kind=kind)


def ask(scene: Scene, kind: str, number: int = 1, clients: Sequence[Address] = CLIENTS) -> bytes:
    return scene.ask_recorded(plan(number), of_kind(kind, number, clients), number)


def refused(scene: Scene, code: str, kind: str, number: int = 1, clients: Sequence[Address] = CLIENTS) -> HearthError:
    with pytest.raises(EncryptionError) as caught:
        ask(scene, kind, number, clients)
    assert caught.value.code == code
    return caught.value


def keys_at(epoch: int) -> dict[Address, dict[tuple[int, ...], bytes]]:
    return {client: ratchet(authority_share(master_keys(client), 1), epoch) for client in CLIENTS}


def test_the_kind_is_part_of_the_request_that_is_on_chain(scene: Scene) -> None:
    assert of_kind(SUM).digest() != of_kind(OTHER).digest()
    scene.ledger.record(of_kind(OTHER))
    with pytest.raises(HearthError) as caught:
        scene.ask(plan(), of_kind(SUM))
    assert caught.value.code == "E_NOT_RECORDED"


@pytest.mark.parametrize("kind", [OTHER, "SUM", "sum ", "s"])
def test_a_kind_that_the_round_does_not_allow_is_refused_and_burns_nothing(scene: Scene, kind: str) -> None:
    assert refused(scene, "E_KIND", kind).fault is Party.EDGE_SERVER
    assert scene.records.epoch(TASK) == 0
    assert ask(scene, SUM)


def test_with_one_kind_its_answer_is_the_last(scene: Scene) -> None:
    ask(scene, SUM)
    assert scene.records.epoch(TASK) == 2
    refused(scene, "E_EPOCH", SUM, clients=CLIENTS[:2])


@pytest.mark.parametrize("order", [(SUM, OTHER), (OTHER, SUM)])
def test_keys_stay_until_the_last_kind_and_are_erased_with_it(two_kinds: Scene, order: tuple[str, str]) -> None:
    first = ask(two_kinds, order[0])
    two_kinds.restart()
    assert two_kinds.records.shares(TASK, HELD, 1) == keys_at(1)
    second = ask(two_kinds, order[1])
    assert two_kinds.records.shares(TASK, HELD, 2) == keys_at(2)
    with pytest.raises(EncryptionError, match="E_EPOCH"):
        two_kinds.records.shares(TASK, HELD, 1)
    on_disk = b"".join(path.read_bytes() for path in two_kinds.folder.rglob("*") if path.is_file())
    assert not [key for keys in keys_at(1).values() for key in keys.values() if key in on_disk]
    two_kinds.restart()
    for kind, answer in zip(order, (first, second), strict=True):
        assert ask(two_kinds, kind) == answer
        assert decode(PartialKeyAnswer, answer).signed.statement.request == of_kind(kind).digest()


def test_each_kind_is_answered_for_one_request(two_kinds: Scene) -> None:
    """The keys of the round are still here, so only the log stands against a second sum."""
    first = ask(two_kinds, SUM)
    refused(two_kinds, "E_LABEL_USED", SUM, clients=CLIENTS[:2])
    two_kinds.restart()
    refused(two_kinds, "E_LABEL_USED", SUM, clients=CLIENTS[1:])
    assert ask(two_kinds, OTHER, clients=CLIENTS[:2])
    refused(two_kinds, "E_EPOCH", OTHER)
    assert ask(two_kinds, SUM) == first


def test_a_later_round_ends_what_an_earlier_one_did_not_ask_for(two_kinds: Scene) -> None:
    ask(two_kinds, SUM)
    ask(two_kinds, SUM, 2)
    assert two_kinds.records.epoch(TASK) == 2  # the other kind of round 2 may still come, that of round 1 not
    refused(two_kinds, "E_EPOCH", OTHER)
    assert ask(two_kinds, OTHER, 2)
    assert two_kinds.records.epoch(TASK) == 3


def test_an_answer_that_was_overtaken_by_the_last_kind_is_not_given(
    two_kinds: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was computed from keys that are erased by now, and a next round's answer came meanwhile."""
    ask(two_kinds, SUM)
    compute = KeyAuthority._partial_key

    def overtaken(self: KeyAuthority, *arguments: object) -> bytes:
        monkeypatch.setattr(KeyAuthority, "_partial_key", compute)
        computed = compute(self, *arguments)  # type: ignore[arg-type]
        ask(two_kinds, SUM, 2)
        return computed

    monkeypatch.setattr(KeyAuthority, "_partial_key", overtaken)
    refused(two_kinds, "E_EPOCH", OTHER)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, 5))
def test_killed_at_the_last_kind_it_has_both_answers_or_the_first_and_its_keys(
    tmp_path: Path, when: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real SIGKILL; the steps are the answer, the shares, the line, and the shares of the round."""
    monkeypatch.setattr(key_request, "_KINDS", (SUM, OTHER))
    scene = Scene(tmp_path / "authority")
    scene.prepare()
    first = ask(scene, SUM)
    scene.records.close()
    child = os.fork()
    if child == 0:
        try:
            scene.restart()
            kill_at(when, step)
            ask(scene, OTHER)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    scene.restart()
    durable = step > 3 or (step == 3 and when == "after")
    assert scene.records.epoch(TASK) == (2 if durable else 1)
    assert scene.records.shares(TASK, HELD, 2) == keys_at(2)
    assert ask(scene, SUM) == first
    assert ask(scene, OTHER, clients=CLIENTS if durable else CLIENTS[:2])
    assert len(list(scene.folder.rglob("share-*"))) == 1
    scene.records.close()
