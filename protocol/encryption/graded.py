"""Which arithmetic does a piece of work: plain numpy for a little, compiled loops for more. The bytes are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

A = TypeVar("A")

# Loading the loops costs a process some two seconds of one core; plain numpy takes a quarter of that for so many words.
WORTH_LOADING: Final = 2**18


class Graded(Generic[A]):
    """``plain`` is at hand; ``load`` takes seconds (see :mod:`~protocol.encryption.compilation`) and is called once."""

    def __init__(self, plain: A, load: Callable[[], A]) -> None:
        self._plain, self._load = plain, load
        self._loaded: A | None = None

    def load(self) -> A:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def for_words(self, words: int) -> A:
        """For work on so many words (each of each ciphertext or key stream counts)."""
        return self._plain if self._loaded is None and words < WORTH_LOADING else self.load()
