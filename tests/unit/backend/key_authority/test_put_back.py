"""An older copy of an authority's records is put back: nothing is signed twice, whatever its chain says by then."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from backend.key_authority.forgotten import Recollection
from backend.key_authority.service import KeyAuthority
from backend.key_authority.windows import Windows, drawn
from protocol.canonical import decode, encode
from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import Address, Digest
from protocol.messages.keys import KeyRequest, PartialKeyAnswer, SignedSighting, SignedWindowKey
from protocol.messages.rosters import RosterPosted
from protocol.messages.round import RoundPlan
from protocol.round.windows import AHEAD
from protocol.task.fold import fold
from protocol.task.state import TaskState
from storage.ledger.interface import LedgerError
from tests.unit.backend.copies import Copies
from tests.unit.backend.key_authority.scene import (
    CLIENTS,
    TASK,
    Scene,
    authority_signer,
    plan,
    planned,
    request,
    spec,
)

OWN = authority_signer(1).address
ROUNDS = spec().cohort.roster_rounds
FIRST, SECOND = request(plan()), request(plan(), CLIENTS[:2])


class Followed:
    """The scene's chain, as watches of an authority follow it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def look(self) -> None:
        self._scene.ledger._ask()

    def tasks_of(self, _: Address) -> list[int]:
        return [TASK]

    def state(self, task: int) -> TaskState:
        return fold(task, self._scene.ledger.events(task))


class Life:
    """A process of the authority; ``older``: its machine says that its records are an older copy."""

    def __init__(self, scene: Scene, older: bool) -> None:
        followed: Any = Followed(scene)
        reader: Any = scene.ledger
        scene.restart()
        trust = (lambda: None) if older else None
        self.recollection = Recollection(followed, scene.records, OWN, trust)
        self.windows = Windows(reader, scene.records, authority_signer(1), drawn)
        self.authority = scene.authority = KeyAuthority(
            reader, scene.records, authority_signer(1), self.windows, scene.policy, self.recollection.compared
        )


class Oracle:
    """Hears all that the authority gives away: of one label, or of one window, never two things."""

    def __init__(self) -> None:
        self._heard = dict[tuple[object, ...], Digest]()

    def sight(self, authority: KeyAuthority, shown: KeyRequest, number: int = 1) -> None:
        said = decode(SignedSighting, authority.sight(TASK, number, encode(shown))).statement
        self._hear(("sighting", said.label, said.kind), said.digest)

    def ask(self, authority: KeyAuthority, under: RoundPlan, shown: KeyRequest, number: int = 1) -> None:
        answer = authority.answer(TASK, number, planned(under, shown, number))
        said = decode(PartialKeyAnswer, answer).signed.statement
        self._hear(("key", said.label), said.request)

    def window(self, authority: KeyAuthority, window: int) -> None:
        said = decode(SignedWindowKey, authority.window_key(TASK, window)).statement
        self._hear(("window", said.window), said.key)

    def _hear(self, place: tuple[object, ...], what: Digest) -> None:
        assert self._heard.setdefault(place, what) == what, f"two things of one {place[0]}"


def played(folder: Path, oracle: Oracle) -> tuple[Scene, Copies]:
    """Up to the answer of the first round."""
    copies = Copies()
    scene = Scene(folder, 1, lambda: copies)
    scene.prepare()
    for window in range(AHEAD):
        oracle.window(scene.authority, window)
    scene.ledger.run_rounds(1, 1)
    scene.ledger.record(FIRST)
    oracle.sight(scene.authority, FIRST)
    oracle.ask(scene.authority, plan(), FIRST)
    return scene, copies


def test_every_copy_put_back_and_then_its_chain_says_something_else(tmp_path: Path) -> None:
    for number in range(len(played(tmp_path, Oracle())[1].made) - 1):
        oracle, resumed = Oracle(), plan(2)
        scene, copies = played(tmp_path, oracle)
        copies.put_back(number)
        authority = Life(scene, older=True).authority
        for shown in (SECOND, FIRST, SECOND):
            scene.ledger.record(shown)
            with suppress(HearthError):
                authority.accept_task(TASK, encode(spec()))
            with suppress(HearthError):
                oracle.sight(authority, shown)
            with pytest.raises(HearthError):
                oracle.ask(authority, plan(), shown)
        for window in range(AHEAD + 2):
            with suppress(HearthError):
                oracle.window(authority, window)
        scene.ledger.run_rounds(2, 2)
        scene.ledger.record(request(resumed), 2)
        if len(scene.records.clients(TASK)) == len(CLIENTS):
            oracle.sight(authority, request(resumed), 2)
            oracle.ask(authority, resumed, request(resumed), 2)  # it goes on with the next round


def test_keys_of_windows_for_which_there_may_have_been_one_are_not_made_again(tmp_path: Path) -> None:
    scene, copies = played(tmp_path, Oracle())
    copies.put_back(0)
    life = Life(scene, older=True)
    life.authority.accept_task(TASK, encode(spec()))
    made = []
    for window in range(3 * AHEAD):
        with suppress(HearthError):
            life.authority.window_key(TASK, window)
            made.append(window)
    assert made == []
    last = 1 // ROUNDS + AHEAD  # for which one may have been asked when one round was opened
    for number in range(1, (2 * AHEAD) * ROUNDS + 1):
        scene.ledger.open(number)
    with pytest.raises(HearthError, match="E_WINDOW"):
        life.authority.window_key(TASK, last)
    assert life.authority.window_key(TASK, last + 1)


def test_the_keys_of_rounds_that_were_opened_are_erased(tmp_path: Path) -> None:
    """The copy has them still, though they were gone."""
    scene, copies = played(tmp_path, Oracle())
    before = next(n for n, (entries, _) in enumerate(copies.made) if "Sighted" in {entry.kind for entry in entries})
    copies.put_back(before)
    assert Life(scene, older=False).authority.sight(TASK, 1, encode(FIRST)) and scene.records.epoch(TASK) == 0
    life = Life(scene, older=True)
    assert life.authority.sight(TASK, 1, encode(FIRST)), "it is remembered"
    assert scene.records.epoch(TASK) == 2
    with pytest.raises(EncryptionError, match="E_EPOCH"):
        scene.ask(plan(), FIRST)


def test_a_roster_of_its_own_that_it_does_not_know_makes_the_records_old(tmp_path: Path) -> None:
    """No machine and no operator says so: the chain does, also while the process runs."""
    copies = Copies()
    scene = Scene(tmp_path, 1, lambda: copies)
    scene.prepare()
    scene.records.keep_roster(TASK, 0)
    scene.ledger.tell(RosterPosted, window=0, authority=OWN, held=b"", refused=b"")
    scene.ledger.run_rounds(1, 1)
    Life(scene, older=False).recollection.check()
    assert scene.records._task(TASK).forgotten == 0, "it is known"
    copies.put_back(len(copies.made) - 2)
    life = Life(scene, older=False)
    life.recollection.check()
    assert scene.records._task(TASK).forgotten == 1
    scene.ledger.record(FIRST)
    with pytest.raises(EncryptionError, match="E_SIGHTED"):
        life.authority.sight(TASK, 1, encode(FIRST))
    scene.ledger.run_rounds(2, 2)
    life.recollection.check()
    assert scene.records._task(TASK).forgotten == 1, "it is told once"


def test_nobody_is_answered_before_the_records_were_compared(tmp_path: Path) -> None:
    scene, _ = played(tmp_path, Oracle())
    life = Life(scene, older=False)
    scene.ledger.down = True
    for ask in (life.authority.issued, lambda task: life.authority.window_key(task, 0)):
        with pytest.raises(LedgerError):
            ask(TASK)
    scene.ledger.down = False
    assert life.authority.issued(TASK)
