"""States of a round as a table; the contract has the same one, and a test holds the two together."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class RoundState(IntEnum):
    """Values are those of ``IHearthLedger.RoundState``."""

    NONE = 0
    OPEN = 1
    REQUESTED = 2
    PUBLISHED = 3
    ABANDONED = 4
    EXPIRED = 5
    FROZEN = 6  # a breach was proven: its tree is void


# (from, to): the contract function that makes the step.
TRANSITIONS: Final[dict[tuple[RoundState, RoundState], str]] = {
    (RoundState.NONE, RoundState.OPEN): "openRound",
    (RoundState.OPEN, RoundState.OPEN): "commitBatch, commitDirect, requestScreening",
    (RoundState.OPEN, RoundState.REQUESTED): "requestKey",
    (RoundState.REQUESTED, RoundState.PUBLISHED): "publishRound",
    (RoundState.OPEN, RoundState.ABANDONED): "abandonRound",
    (RoundState.OPEN, RoundState.EXPIRED): "expireRound",
    (RoundState.REQUESTED, RoundState.EXPIRED): "expireRound",
    (RoundState.OPEN, RoundState.FROZEN): "dispute",
    (RoundState.REQUESTED, RoundState.FROZEN): "dispute",
    (RoundState.PUBLISHED, RoundState.FROZEN): "dispute",  # only inside its dispute window, as the next one
    (RoundState.ABANDONED, RoundState.FROZEN): "dispute",
}

# Nothing more happens in the round, though its payout may still be disputed.
FINAL: Final = frozenset({RoundState.PUBLISHED, RoundState.ABANDONED, RoundState.EXPIRED, RoundState.FROZEN})


def may_move(before: RoundState, after: RoundState) -> bool:
    return (before, after) in TRANSITIONS
