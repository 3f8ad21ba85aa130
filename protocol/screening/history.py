"""Sums over a window of rounds of what one holder has of each client's updates, modulo p: its history.

An authority adds (ciphertext - its share of the pad), which is its share of the update; an edge server may keep the
ciphertexts' sums and an authority the pads' alone, whose difference is the same. Weight 1 for every update that passed
the norm tests, also where it is not in the model's sum.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from protocol.encryption.pad.encoding import Words
from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import Address
from protocol.screening.arithmetic import MODULUS, loops
from protocol.screening.sketch import ROWS, Sketch
from protocol.screening.windows import LEAST_UPDATES, Windows

Coordinates = npt.NDArray[np.int64]
Halves = tuple[Words | None, Words | None]


def add_update(total: Words, words: Words, coordinates: Coordinates | None = None) -> None:
    """Adds an update's words below p to an accumulator, in place, at ``coordinates`` where its round is sparse."""
    if coordinates is None:
        loops(len(words)).accumulate(total, words)
    else:
        total[coordinates] = (total[coordinates] + words) % np.uint64(MODULUS)


class History:
    """Accumulators of one task at one holder; ``dimension``: of the model, also where rounds are sparse."""

    def __init__(self, dimension: int, window: int) -> None:
        self.windows = Windows(window)
        self._dimension = dimension
        self._before: dict[Address, Words] = {}
        self._running: dict[Address, Words] = {}

    @classmethod
    def restored(cls, dimension: int, windows: Windows, kept: Mapping[Address, Halves]) -> History:
        """From what :meth:`words` gave and was kept, and counts of the same rounds derived from the chain.

        Raises HearthError ``E_NOT_READY`` where the two do not belong together.
        """
        history = cls(dimension, windows.window)
        history.windows = windows
        for client, halves in kept.items():
            held = (history._before, history._running)
            for count, words, half in zip(windows.halves(client), halves, held, strict=True):
                fits = words is None or (words.shape == (dimension,) and words.dtype == np.uint64)
                if (words is not None) != (count > 0) or not fits:
                    raise HearthError("a kept history is not that of the rounds on chain", code="E_NOT_READY")
                if words is not None:
                    half[client] = words
        if any(client not in kept for client in windows.openable()):
            raise HearthError("a history that may be opened was not kept", code="E_NOT_READY")
        return history

    def settle(self, number: int, updates: Mapping[Address, Words], coordinates: Coordinates | None = None) -> None:
        """Adds the updates of round ``number`` that passed; words below p, at ``coordinates`` of the model where the
        round is sparse. All or nothing: raises HearthError ``E_ROUND``, EncryptionError ``E_PARAMS``.

        What is older than the window is overwritten. A holder that was away settles every round that it missed.
        """
        expected = (self._dimension if coordinates is None else len(coordinates),)
        if any(words.shape != expected or words.dtype != np.uint64 for words in updates.values()):
            raise EncryptionError(f"an update is not of {expected[0]} words", code="E_PARAMS")
        if self.windows.settle(number, updates.keys()):
            for old in self._before.values():
                old.fill(0)
            self._before, self._running = self._running, {}
        for client, words in updates.items():
            add_update(self._running.setdefault(client, np.zeros(self._dimension, np.uint64)), words, coordinates)

    def forget(self, client: Address) -> None:
        """Erases a client's accumulators."""
        self.windows.forget(client)
        for half in (self._before, self._running):
            if client in half:
                half.pop(client).fill(0)

    def sketched(self, sketch: Sketch, client: Address) -> Words:
        """S of the client's history modulo p, shape (512,).

        Raises HearthError ``E_NOT_READY`` before it holds two updates: S of one would say more of that one.
        """
        if self.windows.count(client) < LEAST_UPDATES:
            raise HearthError("a history of fewer than two updates is not opened", code="E_NOT_READY")
        halves = [half[client] for half in (self._before, self._running) if client in half]
        return sketch.of_words(halves[0] if len(halves) == 1 else halves[0] + halves[1])

    def sketched_all(self, sketch: Sketch, round_number: int, clients: tuple[Address, ...]) -> Words:
        """Rows for :func:`protocol.screening.gram.gram`, in the order of ``clients``, for an opening in this round.

        Raises HearthError ``E_ROUND`` while rounds before it are not settled: the answer would be of another history.
        """
        if self.windows.settled != round_number - 1:
            raise HearthError(f"rounds up to {self.windows.settled} are settled, not all before", code="E_ROUND")
        rows = np.zeros((len(clients), ROWS), np.uint64)
        for row, client in zip(rows, clients, strict=True):
            row[:] = self.sketched(sketch, client)
        return rows

    def words(self, client: Address) -> Halves:
        """The half window before and the running one, to be kept; not copies."""
        return self._before.get(client), self._running.get(client)
