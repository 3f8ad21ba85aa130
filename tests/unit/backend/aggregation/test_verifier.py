"""Only present, unchanged ciphertexts of the right length become verified updates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.aggregation.verifier import NotVerifiedError, VerifiedSum, verify_updates
from protocol.messages.settlement import CORRUPT, MALFORMED, UNAVAILABLE, Rejection, Verdict
from storage.content.filesystem import FilesystemStore
from storage.content.interface import StoreUnavailableError
from tests.unit.backend.rounds.scene_round import CLIENTS, SIGNERS, PlannedRound


def _no_wait(_: float) -> None:
    pass


def test_all_present() -> None:
    scene = PlannedRound()
    verdict, total = verify_updates(scene.store, scene.scheme, scene.committed, _no_wait)
    assert verdict.accepted == tuple(CLIENTS)
    assert verdict.rejected == ()
    assert total.clients == set(CLIENTS)


def test_after_a_verdict_only_what_it_accepts_is_added() -> None:
    scene = PlannedRound()
    decided = Verdict(scene.plan.label(), tuple(CLIENTS[1:]), (Rejection(CLIENTS[0], UNAVAILABLE),))
    verdict, total = verify_updates(scene.store, scene.scheme, scene.committed, _no_wait, decided)
    assert verdict == decided
    assert total.clients == set(CLIENTS[1:])
    fewer = {client: scene.committed[client] for client in CLIENTS[1:]}
    assert np.array_equal(total.words, verify_updates(scene.store, scene.scheme, fewer, _no_wait)[1].words)


def test_each_reason_and_no_other_client_is_touched(tmp_path: Path) -> None:
    scene = PlannedRound(store=FilesystemStore(tmp_path))
    scene.committed[CLIENTS[0]] = scene.commit_bytes(SIGNERS[0], b"never stored", b"\1" * 16, stored=False)
    scene.committed[CLIENTS[1]] = scene.commit_bytes(SIGNERS[1], b"too short", b"\1" * 16)
    body = scene.scheme.body_bytes
    (path,) = [p for p in tmp_path.iterdir() if p.stat().st_size == body and _is(scene, p, 2)]
    path.write_bytes(bytes(body))
    verdict, total = verify_updates(scene.store, scene.scheme, scene.committed, _no_wait)
    expected = [Rejection(CLIENTS[0], UNAVAILABLE), Rejection(CLIENTS[1], MALFORMED), Rejection(CLIENTS[2], CORRUPT)]
    assert list(verdict.rejected) == expected
    assert total.clients == set()
    assert not total.words.any()


def _is(scene: PlannedRound, path: Path, number: int) -> bool:
    wanted = scene.committed[CLIENTS[number]].commitment.ciphertext
    return (
        scene.commit_bytes(SIGNERS[number], path.read_bytes(), b"\0" * 16, stored=False).commitment.ciphertext == wanted
    )


def test_a_store_that_is_away_is_no_clients_doing(tmp_path: Path) -> None:
    scene = PlannedRound()
    pauses: list[float] = []
    with pytest.raises(StoreUnavailableError):
        verify_updates(FilesystemStore(tmp_path / "nothing"), scene.scheme, scene.committed, pauses.append)
    assert pauses


def test_nobody_else_makes_verified_sums() -> None:
    with pytest.raises(NotVerifiedError):
        VerifiedSum(frozenset(CLIENTS), np.zeros(1, np.uint64))
