"""Which arithmetic does a piece of work: plain numpy until a process has done as much as loading the loops costs.

So nobody waits longer than twice what either alone would have taken. The bits are the same.
"""

from __future__ import annotations

from typing import Final

from protocol.model.arithmetic import PLAIN, Arithmetic

# Loading compiled loops costs a process half a second of one core and 130 MB, where they were compiled before (ADR 58);
# numpy takes two or three seconds for so many.
WORTH_LOADING: Final = 10**9  # multiplications
NEVER: Final = 2**63


class Gradual:
    """Counts the work of a process, roughly where threads share it. With 0 the loops do all of it."""

    def __init__(self, worth_loading: int = WORTH_LOADING) -> None:
        self._done, self._worth_loading = 0, worth_loading
        self._loaded: Arithmetic = PLAIN

    def load(self) -> Arithmetic:
        """The compiled loops, at once."""
        if self._loaded is PLAIN:
            from protocol.model.compiled import Compiled

            self._loaded = Compiled()
        return self._loaded

    def arithmetic_for(self, multiplications: int) -> Arithmetic:
        """For so many more."""
        self._done += multiplications
        return self._loaded if self._done < self._worth_loading else self.load()


PROCESS: Final = Gradual()


def padded(count: int, lanes: int) -> int:
    """So many examples or a few more, a multiple of the lanes.

    No high power of two divides it, which would put all rows of an array into the same few lines of a cache.
    """
    groups = -(-count // lanes)
    return count if lanes == 1 else (groups + (groups % 4 == 0)) * lanes


def chunk_of(most: int, lanes: int) -> int:
    """Of so many examples at most, but for one group of lanes, and without padding."""
    groups = max(1, most // lanes)
    return groups if lanes == 1 else (groups - (groups % 4 == 0)) * lanes
