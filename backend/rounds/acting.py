"""Who may act for a task, and from when: the rule of ``Rounds.sol``, and one of the servers' own that keeps them from
taking a round out of each other's hands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.chain import RoundOpened

NEVER: Final = 2**63


class StandbyError(HearthError):
    """Another edge server is in charge of the task."""

    code = "E_STANDBY"


@dataclass(frozen=True, slots=True)
class Charge:
    """Which server is in charge, as the task's events tell it."""

    server: Address
    since: int = 0  # block time at which it took over, in seconds
    dismissed: frozenset[Address] = frozenset()  # a breach ended their role

    def taken_over(self, server: Address, block_time: int) -> Charge:
        return replace(self, server=server, since=block_time)

    def without(self, holder: Address) -> Charge:
        return replace(self, dismissed=self.dismissed | {holder})

    def acts_after(self, server: Address, due: int, takeover_seconds: int) -> int:
        """``server`` may act in blocks later than this: 0 for the one in charge, NEVER for one that was dismissed.

        The ledger lets another one act from ``due`` + ``takeover_seconds`` on. Whoever has just taken over gets as long
        itself, or a server that comes back would take the same round over again.
        """
        if server in self.dismissed:
            return NEVER
        return 0 if server == self.server else max(due, self.since) + takeover_seconds


def due(enrol_until: int, last: RoundOpened | None, running: bool) -> int:
    """When the server in charge should have gone on: with the ``last`` round, with the next, or with the first."""
    if last is None:
        return enrol_until
    return last.commit_until if running else last.settle_until
