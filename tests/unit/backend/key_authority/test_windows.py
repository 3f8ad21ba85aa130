"""One encryption key for each task and window of rounds: signed, the same for all, and gone once the window is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backend.key_authority.windows import WindowWatch, drawn, seeded
from protocol.canonical import decode, encode
from protocol.content.cid import cid_of
from protocol.errors import HearthError
from protocol.messages.chain import Left
from protocol.messages.keys import SignedWindowKey
from protocol.round.state_table import RoundState
from protocol.round.windows import AHEAD, check_window_key
from tests.samples import DOMAIN
from tests.unit.backend.key_authority.scene import (
    CLIENTS,
    TASK,
    Scene,
    authority_signer,
    envelope,
    key_pair,
    spec,
)

ROUNDS = spec().cohort.roster_rounds


def _key(scene: Scene, window: int, task: int = TASK) -> SignedWindowKey:
    return decode(SignedWindowKey, scene.authority.window_key(task, window))


def _code(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(HearthError) as caught:
        call(*arguments)
    return caught.value.code


def _on_disk(scene: Scene) -> bytes:
    return b"".join(path.read_bytes() for path in scene.folder.rglob("*") if path.is_file())


@pytest.fixture
def known(empty: Scene) -> Scene:
    empty.ledger.post(spec())
    empty.authority.accept_task(TASK, encode(spec()))
    return empty


def test_each_window_has_a_key_that_the_account_signed(known: Scene) -> None:
    first, second = _key(known, 0), _key(known, 1)
    check_window_key(first, DOMAIN, TASK, 0, authority_signer(1).address)
    check_window_key(second, DOMAIN, TASK, 1, authority_signer(1).address)
    assert first.encryption_key != second.encryption_key
    known.restart()
    assert (_key(known, 0), _key(known, 1)) == (first, second)
    assert _code(known.authority.window_key, TASK + 1, 0) == "E_NOT_FOUND"


def test_keys_are_drawn_afresh_or_from_a_seed_and_then_differ_by_authority(known: Scene) -> None:
    def made(source: Callable[..., object], window: int = 0, authority: int = 1) -> bytes:
        return source(TASK, window).draw("key", 32)  # type: ignore[attr-defined, no-any-return]

    one, other = (seeded(bytes(32), authority_signer(j).address) for j in (1, 2))
    assert made(one) == made(one) != made(one, 1)
    assert made(one) != made(other)
    assert made(drawn) != made(drawn)


def test_no_key_is_made_earlier_than_that(known: Scene) -> None:
    assert [_key(known, window).statement.window for window in range(AHEAD + 1)] == list(range(AHEAD + 1))
    assert _code(known.authority.window_key, TASK, AHEAD + 1) == "E_WINDOW"
    known.ledger.open(ROUNDS - 1)
    assert _code(known.authority.window_key, TASK, AHEAD + 1) == "E_WINDOW"
    known.ledger.open(ROUNDS)  # from now on clients seal to window 1
    assert _key(known, AHEAD + 1)
    assert _code(known.authority.window_key, TASK, AHEAD + 2) == "E_WINDOW"


def test_a_key_is_erased_once_a_round_of_the_next_window_is_deep_enough(scene: Scene) -> None:
    secret = key_pair(1).private_bytes()
    accepted = scene.authority.accept_client(TASK, CLIENTS[0], envelope(CLIENTS[0]))
    scene.ledger.open(ROUNDS)
    _key(scene, 1)
    scene.ledger.open(ROUNDS + 1)
    scene.ledger.shallow.add(ROUNDS + 1)
    _key(scene, 1)
    assert secret in _on_disk(scene)
    scene.ledger.shallow.clear()
    _key(scene, 1)
    assert secret not in _on_disk(scene)
    assert key_pair(1, 1).private_bytes() in _on_disk(scene)
    scene.restart()
    assert secret not in _on_disk(scene)
    assert _code(scene.authority.window_key, TASK, 0) == "E_WINDOW"  # nobody seals to it any more
    assert scene.authority.accept_client(TASK, CLIENTS[0], envelope(CLIENTS[0])) == accepted  # its share is here


def test_what_was_not_shown_in_time_stays_sealed_and_refuses_nobody(known: Scene) -> None:
    _key(known, 0)
    known.ledger.enrol(CLIENTS[0])
    known.ledger.open(ROUNDS + 1)
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == {0}, "it may still be shown"
    known.ledger.open(2 * ROUNDS + 1)
    known.windows.erase(TASK, spec())
    assert _code(known.authority.accept_client, TASK, CLIENTS[0], envelope(CLIENTS[0])) == "E_WINDOW"
    known.ledger.enrol(CLIENTS[1], 1)
    _key(known, 1)
    known.authority.accept_client(TASK, CLIENTS[1], envelope(CLIENTS[1], 1))
    assert known.records.envelope(TASK, CLIENTS[1]) == cid_of(envelope(CLIENTS[1], 1)).digest


def test_who_left_need_not_be_shown(known: Scene) -> None:
    _key(known, 0)
    known.ledger.enrol(CLIENTS[0])
    known.ledger.open(ROUNDS + 1)
    place: dict[str, Any] = {"block": 2, "log_index": 0, "transaction": bytes(32), "task": TASK}
    known.ledger.enrolled.append(Left(**place, client=CLIENTS[0], signature=bytes(65)))
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == set()


def test_an_envelope_for_a_key_that_was_never_made_is_not_opened(known: Scene) -> None:
    known.ledger.enrol(CLIENTS[0])
    assert _code(known.authority.accept_client, TASK, CLIENTS[0], envelope(CLIENTS[0])) == "E_WINDOW"


@pytest.mark.parametrize("state", [RoundState.PUBLISHED, RoundState.ABANDONED, RoundState.EXPIRED, RoundState.FROZEN])
def test_all_keys_go_with_the_last_round(known: Scene, state: RoundState) -> None:
    for window in (0, 1):
        _key(known, window)
    known.ledger.open(spec().rounds)
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == {0, 1}
    known.ledger.open(spec().rounds, state)
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == set()
    assert not list(known.folder.rglob("window-*"))


def test_no_key_waits_for_who_enrolled_in_a_later_window(known: Scene) -> None:
    """Its envelope is sealed to another one."""
    _key(known, 0)
    known.ledger.enrol(CLIENTS[0])
    known.authority.accept_client(TASK, CLIENTS[0], envelope(CLIENTS[0]))
    known.ledger.run_rounds(1, ROUNDS)
    known.ledger.enrol(CLIENTS[1], 1)
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == {0}, "no round of the next window was opened"
    known.ledger.run_rounds(ROUNDS + 1, ROUNDS + 1)
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == set()


def test_but_for_who_enrolled_while_its_rounds_ran(known: Scene) -> None:
    _key(known, 0)
    known.ledger.run_rounds(1, ROUNDS - 1)
    known.ledger.enrol(CLIENTS[0])
    known.ledger.run_rounds(ROUNDS, ROUNDS + 1)
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == {0}
    known.authority.accept_client(TASK, CLIENTS[0], envelope(CLIENTS[0]))
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == set()


def test_rounds_that_lapsed_are_not_waited_for(known: Scene) -> None:
    _key(known, 0)
    known.ledger.lapsed = 1
    known.ledger.open(spec().rounds - 1, RoundState.EXPIRED)
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == set()


def test_all_keys_go_when_the_task_stops(known: Scene) -> None:
    _key(known, 0)
    known.ledger.open(1)
    known.ledger.stopped = True
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == {0}, "a round runs"
    known.ledger.open(1, RoundState.FROZEN)
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == set()


def test_and_with_the_time_of_the_task(known: Scene) -> None:
    _key(known, 0)
    known.ledger.clock = known.ledger.task_until
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == {0}
    known.ledger.clock += 1
    known.windows.erase(TASK, spec())
    assert known.records.windows(TASK) == set()
    assert _code(known.authority.window_key, TASK, 0) == "E_WINDOW"


def test_keys_are_erased_while_nobody_asks(scene: Scene) -> None:
    watch = WindowWatch(scene.windows, scene.records)
    scene.ledger.open(ROUNDS + 1)
    scene.ledger.down = True
    watch.erase()
    assert scene.records.windows(TASK) == {0}
    scene.ledger.down = False
    watch.erase()
    assert scene.records.windows(TASK) == set()
    watch.erase()


def test_a_key_that_is_asked_for_while_it_is_made_is_one(known: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, keep, seen = known.windows, known.records.keep_window_key, list[bytes]()
    monkeypatch.setattr(windows, "_randomness", drawn)

    def overtaken(task: int, window: int, key: bytes) -> None:
        monkeypatch.setattr(known.records, "keep_window_key", keep)
        seen.append(windows.signed_key(task, spec(), window).encryption_key)
        keep(task, window, key)

    monkeypatch.setattr(known.records, "keep_window_key", overtaken)
    assert windows.signed_key(TASK, spec(), 0).encryption_key == seen[0]
