"""Moves by the part of a round's work that they are: what is measured, and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.rounds import moves
from backend.rounds.moves import Move

PHASES: Final[Mapping[type[Move], str]] = {
    moves.OpenRound: "open",
    moves.CommitBatch: "batch",
    moves.ExamineUpdates: "examine",
    moves.RequestScreening: "screen",
    moves.AskOpenings: "openings",
    moves.VerifyUpdates: "verify",
    moves.RequestKey: "request",
    moves.DecryptSum: "decrypt",
    moves.Publish: "publish",
}
READS: Final = (moves.Fetch, moves.ReadTimes, moves.ReadBeacon)  # made at every look
