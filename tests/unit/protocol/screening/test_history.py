"""Histories: two staggered half windows, erased when they are over, and never one update alone."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.encryption.pad.encoding import Words
from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import sha256
from protocol.screening.arithmetic import MODULUS
from protocol.screening.history import Halves, History
from protocol.screening.sketch import sketch_of
from protocol.screening.windows import Windows, check_window

A, B, C = (bytes([k]) * 20 for k in (1, 2, 3))
SKETCH = sketch_of(sha256(b"beacon"), 6)


def words(value: int, size: int = 6) -> Words:
    return np.full(size, value % MODULUS, np.uint64)


def test_a_history_holds_what_the_staggered_window_holds() -> None:
    """Against the sums over the rounds themselves, for every round of three windows; values near p wrap."""
    window, history = 6, History(6, 6)
    for number in range(1, 3 * window + 1):
        first = max(1, (number - 2) // 3 * 3 - 2)  # of the half window before the one that the last round is in
        if number - first >= 2:
            total = sum(-(k * k) for k in range(first, number))
            assert history.sketched(SKETCH, A).tolist() == SKETCH.of_words(words(total)).tolist(), number
            assert history.windows.count(A) == number - first
        history.settle(number, {A: words(-number * number)})
    assert window // 2 <= history.windows.count(A) <= window


def test_absence_changes_nothing_but_what_the_window_forgets() -> None:
    history = History(6, 4)
    history.settle(1, {A: words(5), B: words(1)})
    history.settle(2, {A: words(6)})
    history.settle(3, {})
    assert history.windows.openable() == (A,)
    assert history.sketched_all(SKETCH, 4, (A,)).tolist() == [SKETCH.of_words(words(11)).tolist()]
    history.settle(4, {})
    history.settle(5, {B: words(2)})
    assert history.windows.openable() == () and history.windows.count(A) == 0
    assert history.words(A) == (None, None)


def test_one_update_is_never_opened() -> None:
    history = History(6, 4)
    history.settle(1, {A: words(5)})
    with pytest.raises(HearthError, match="E_NOT_READY"):
        history.sketched_all(SKETCH, 2, (A,))
    with pytest.raises(HearthError, match="E_NOT_READY"):
        history.sketched(SKETCH, B)


def test_whoever_was_away_catches_up_before_it_answers() -> None:
    present, late = History(6, 8), History(6, 8)
    rounds = {1: {A: words(1), B: words(9)}, 2: {A: words(2)}, 3: {A: words(4), B: words(7)}}
    for number, updates in rounds.items():
        present.settle(number, updates)
    late.settle(1, rounds[1])
    late.settle(2, rounds[2])
    with pytest.raises(HearthError, match="E_ROUND"):
        late.sketched_all(SKETCH, 4, (A, B))
    for wrong in (2, 4):
        with pytest.raises(HearthError, match="E_ROUND"):
            late.settle(wrong, rounds[3])
    late.settle(3, rounds[3])
    assert np.array_equal(present.sketched_all(SKETCH, 4, (A, B)), late.sketched_all(SKETCH, 4, (A, B)))


def test_a_kept_history_goes_on_after_a_restart() -> None:
    rounds = [{A: words(k), B: words(7 * k)} if k % 2 else {A: words(k)} for k in range(1, 8)]
    whole, first, counts = History(6, 4), History(6, 4), Windows(4)
    for number, updates in enumerate(rounds[:5], 1):
        first.settle(number, updates)
        counts.settle(number, updates.keys())
    kept = {client: first.words(client) for client in (A, B)}
    again = History.restored(6, counts, {client: copied(halves) for client, halves in kept.items()})
    for number, updates in enumerate(rounds, 1):
        whole.settle(number, updates)
        if number > 5:
            again.settle(number, updates)
    assert np.array_equal(whole.sketched_all(SKETCH, 8, (A, B)), again.sketched_all(SKETCH, 8, (A, B)))

    behind = Windows(4)
    for number, updates in enumerate(rounds[:4], 1):
        behind.settle(number, updates.keys())
    only_running = (None, kept[A][1])
    short = (np.zeros(5, np.uint64), kept[A][1])
    for windows, wrong in ((counts, {**kept, A: only_running}), (counts, {A: kept[A]}), (counts, {**kept, A: short})):
        with pytest.raises(HearthError, match="E_NOT_READY"):
            History.restored(6, windows, wrong)
    with pytest.raises(HearthError, match="E_NOT_READY"):
        History.restored(6, behind, {**kept, C: kept[A]})


def copied(halves: Halves) -> Halves:
    before, running = halves
    return (None if before is None else before.copy(), None if running is None else running.copy())


def test_what_is_over_or_asked_for_is_overwritten() -> None:
    history = History(6, 4)
    kept = []
    for number in range(1, 5):
        history.settle(number, {A: words(number), B: words(number)})
        kept += [half for half in (*history.words(A), *history.words(B)) if half is not None]
    old = history.words(A)[0]
    assert old is not None and old.any()
    history.settle(5, {A: words(1)})
    assert not old.any()
    of_b = history.words(B)[0]
    assert of_b is not None and of_b.any()
    history.forget(B)
    assert not of_b.any() and history.words(B) == (None, None) and B not in history.windows.openable()
    history.forget(C)


def test_sparse_rounds_line_up_in_the_model() -> None:
    history = History(6, 4)
    history.settle(1, {A: words(5, 2)}, np.array([0, 3]))
    history.settle(2, {A: words(-1, 3)}, np.array([0, 1, 5]))
    expected = np.array([4, MODULUS - 1, 0, 5, 0, MODULUS - 1], np.uint64)
    assert history.sketched(SKETCH, A).tolist() == SKETCH.of_words(expected).tolist()


def test_a_refused_round_leaves_everything_as_it_was() -> None:
    history = History(6, 4)
    history.settle(1, {A: words(5)})
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        history.settle(2, {A: words(1), B: words(1, 7)})
    assert history.windows.settled == 1 and history.windows.count(A) == 1
    assert history.words(B) == (None, None)


def test_a_window_in_which_nothing_wraps() -> None:
    check_window(590, 2**13)
    for window, bound in ((592, 2**13), (0, 1), (5, 1)):
        with pytest.raises(EncryptionError, match="E_BUDGET"):
            check_window(window, bound)
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        Windows(3)
