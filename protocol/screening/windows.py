"""How many updates of each client a history holds: half windows that follow from the round's number, public counts.

A history remembers between R/2 and R rounds: the half window that runs and the one before it. That is the older of two
staggered windows, at one addition for each update.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import Address
from protocol.screening.arithmetic import MODULUS

LEAST_UPDATES: Final = 2  # a history of one update would open that update once more


def check_window(window: int, bound: int) -> None:
    """That inner products of histories never wrap: 6 R^2 B^2 < p/2, and R is even. Raises EncryptionError
    ``E_BUDGET``."""
    if window < 2 or window % 2 or 12 * (window * bound) ** 2 >= MODULUS:
        raise EncryptionError(f"a window of {window} rounds with norms up to {bound} may wrap", code="E_BUDGET")


def half_of(number: int, window: int) -> int:
    """Which half window round ``number`` is in, counted from 0."""
    return (number - 1) // (window // 2)


class Windows:
    """Counts of updates that passed the norm tests. Edge server, authority and auditor derive the same."""

    def __init__(self, window: int) -> None:
        if window < 2 or window % 2:
            raise EncryptionError(f"a window of {window} rounds has no halves", code="E_PARAMS")
        self._half = window // 2
        self._settled = 0
        self._counts: dict[Address, list[int]] = {}  # before, running

    @property
    def window(self) -> int:
        """R, in rounds."""
        return 2 * self._half

    @property
    def settled(self) -> int:
        """Number of the last round that was counted."""
        return self._settled

    def settle(self, number: int, passed: Collection[Address]) -> bool:
        """Counts round ``number``; whether a half window began with it, so that what was before the last one is gone.

        An abandoned round counts with nobody. Raises HearthError ``E_ROUND`` for another round than the next.
        """
        if number != self._settled + 1:
            raise HearthError(f"round {number} where {self._settled + 1} is next", code="E_ROUND")
        turned = number > 1 and (number - 1) % self._half == 0
        if turned:
            self._counts = {client: [running, 0] for client, (_, running) in self._counts.items() if running}
        for client in passed:
            self._counts.setdefault(client, [0, 0])[1] += 1
        self._settled = number
        return turned

    def forget(self, client: Address) -> None:
        """It left the task, or asked for it."""
        self._counts.pop(client, None)

    def clear(self) -> None:
        """Every history begins anew."""
        self._counts = {}

    def count(self, client: Address) -> int:
        return sum(self.halves(client))

    def halves(self, client: Address) -> tuple[int, int]:
        """Updates in the half window before, and in the running one."""
        before, running = self._counts.get(client, (0, 0))
        return before, running

    def openable(self) -> tuple[Address, ...]:
        """Whose history may be opened, ascending; absent clients too."""
        return tuple(sorted(client for client in self._counts if self.count(client) >= LEAST_UPDATES))
