"""Verification, decision, folding: only present, unchanged ciphertexts of the right size are added, each once."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from backend.aggregation.verifier import (
    NotVerifiedError,
    VerifiedCiphertext,
    VerifiedSum,
    fold,
    verify,
    verify_updates,
)
from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address
from protocol.messages.settlement import CORRUPT, MALFORMED, UNAVAILABLE, Rejection, Verdict
from protocol.round.scheme import RoundScheme
from protocol.screening.verdict import Unfit, decide
from storage.content.filesystem import FilesystemStore
from storage.content.interface import ContentCorruptError, StoreUnavailableError
from storage.content.memory import MemoryStore
from tests.unit.backend.rounds.scene_round import CLIENTS, SIGNERS, PlannedRound


def _no_wait(_: float) -> None:
    pass


def _verified(scene: PlannedRound, client: Address) -> VerifiedCiphertext:
    found = verify(scene.store, scene.scheme, scene.committed[client], _no_wait)
    assert isinstance(found, VerifiedCiphertext)
    return found


def _words(scene: PlannedRound, *clients: Address) -> npt.NDArray[np.uint64]:
    """The sum of their ciphertexts, fetched and added by hand."""
    running = scene.scheme.aggregator()
    for client in clients:
        running.fold(_verified(scene, client).body, scene.plan.weight_of(client) or 0)
    return running.words


class CountingStore(MemoryStore):
    """Notes what is fetched, and how many verified ciphertexts are alive meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[bytes] = []
        self.alive, self._others = 0, self._verified()  # of tests before this one

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        self.fetched.append(cid.digest)
        self.alive = max(self.alive, self._verified() - self._others)
        return super().get(cid, max_bytes, chunk_bytes)

    def _verified(self) -> int:
        return sum(type(thing) is VerifiedCiphertext for thing in gc.get_objects())


def test_all_present() -> None:
    scene = PlannedRound()
    verdict, total = verify_updates(scene.store, scene.scheme, scene.committed, _no_wait)
    assert verdict == Verdict(scene.plan.label(), tuple(CLIENTS), ())
    assert total.clients == set(CLIENTS)
    assert np.array_equal(total.words, _words(scene, *CLIENTS))


def test_after_a_verdict_only_what_it_accepts_is_fetched_and_added() -> None:
    store = CountingStore()
    scene = PlannedRound(store=store)
    decided = Verdict(scene.plan.label(), tuple(CLIENTS[1:]), (Rejection(CLIENTS[0], UNAVAILABLE),))
    verdict, total = verify_updates(store, scene.scheme, scene.committed, _no_wait, decided)
    assert verdict == decided
    assert total.clients == set(CLIENTS[1:])
    assert scene.committed[CLIENTS[0]].commitment.ciphertext not in store.fetched
    assert np.array_equal(total.words, _words(scene, *CLIENTS[1:]))


def test_an_accepted_ciphertext_that_is_gone_is_not_among_the_summed() -> None:
    scene = PlannedRound(store=(store := MemoryStore()))
    decided, _ = verify_updates(store, scene.scheme, scene.committed, _no_wait)
    store.objects.clear()
    verdict, total = verify_updates(store, scene.scheme, scene.committed, _no_wait, decided)
    assert (verdict, total.clients) == (decided, frozenset())


def test_each_reason_and_no_other_client_is_touched(tmp_path: Path) -> None:
    scene = PlannedRound(store=FilesystemStore(tmp_path))
    scene.committed[CLIENTS[0]] = scene.commit_bytes(SIGNERS[0], b"never stored", b"\1" * 16, stored=False)
    scene.committed[CLIENTS[1]] = scene.commit_bytes(SIGNERS[1], b"too short", b"\1" * 16)
    body = scene.scheme.body_bytes
    (path,) = [p for p in tmp_path.iterdir() if p.stat().st_size == body and _is(scene, p, 2)]
    path.write_bytes(bytes(body))
    found = [verify(scene.store, scene.scheme, scene.committed[client], _no_wait) for client in CLIENTS]
    assert found == [Unfit.UNAVAILABLE, Unfit.MALFORMED, Unfit.CORRUPT]
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


class RottenOnce(MemoryStore):
    """Gives other bytes the first time that it is asked for an object."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = set[Cid]()

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        if cid not in self.asked:
            self.asked.add(cid)
            raise ContentCorruptError("a proxy's page")
        return super().get(cid, max_bytes, chunk_bytes)


def test_no_client_is_rejected_for_one_wrong_answer_of_the_store() -> None:
    scene, pauses = PlannedRound(store=(store := RottenOnce())), list[float]()
    verdict, total = verify_updates(store, scene.scheme, scene.committed, pauses.append)
    assert not verdict.rejected and total.clients == set(CLIENTS)
    assert len(pauses) == len(CLIENTS)


def test_no_ciphertext_is_kept_while_the_next_is_fetched() -> None:
    store = CountingStore()
    scene = PlannedRound(store=store)
    verify_updates(store, scene.scheme, scene.committed, _no_wait)
    assert (len(store.fetched), store.alive) == (len(CLIENTS), 0)


def test_a_step_may_stand_between_verification_and_folding() -> None:
    """As a screening rule will: all are verified, then decided upon, then those accepted are fetched and added."""
    scene = PlannedRound()
    verdict = decide(scene.scheme.label, {CLIENTS[0]: None, CLIENTS[1]: Unfit.MALFORMED, CLIENTS[2]: None})
    total = fold(scene.scheme, (_verified(scene, client) for client in verdict.accepted))
    assert total.clients == {CLIENTS[0], CLIENTS[2]}
    assert np.array_equal(total.words, _words(scene, CLIENTS[0], CLIENTS[2]))


def test_nobody_is_added_twice() -> None:
    scene = PlannedRound()
    ciphertext = _verified(scene, CLIENTS[0])
    with pytest.raises(VerificationError) as caught:
        fold(scene.scheme, [ciphertext, ciphertext])
    assert caught.value.fault is Party.EDGE_SERVER


@pytest.mark.parametrize("change", ["another round", "a smaller cohort"])
def test_only_the_planned_of_this_very_round_are_added(change: str) -> None:
    scene = PlannedRound()
    scheme = RoundScheme.of(replace(scene.plan, round=2), scene.spec.committee)
    if change == "a smaller cohort":
        scheme = replace(scene.scheme, plan=replace(scene.plan, weights=scene.plan.weights[1:]))
    with pytest.raises(VerificationError):
        fold(scheme, [_verified(scene, CLIENTS[0])])


def test_nobody_else_makes_what_is_verified() -> None:
    with pytest.raises(NotVerifiedError):
        VerifiedSum(frozenset(CLIENTS), np.zeros(1, np.uint64))
    with pytest.raises(NotVerifiedError):
        VerifiedCiphertext(CLIENTS[0], bytes(32), b"body")
    with pytest.raises(NotVerifiedError):
        replace(_verified(PlannedRound(), CLIENTS[0]), body=b"another")
