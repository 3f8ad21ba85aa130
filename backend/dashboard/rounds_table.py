"""The rounds of a task as comma-separated values, one line each, for a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from backend.dashboard.answers import Round, TaskDetails

MEDIA_TYPE: Final = "text/csv; charset=utf-8"
COLUMNS: Final = (
    *("round", "state", "outcome", "edge_server", "opened_block", "ended_block", "cohort", "committed", "accepted"),
    *("rejected", "correct", "examples", "epsilon", "server_seconds", "uploaded_bytes", "allocated", "compensation"),
    *("model", "opened_transaction", "batched_transaction", "requested_transaction", "ended_transaction"),
    *("gas", "gas_per_update"),
)
# A spreadsheet takes what begins with =, +, - or @ for a formula: nothing of that kind, no comma and no quote gets in.
_CELL: Final = re.compile("[0-9A-Za-z][0-9A-Za-z._ -]{0,99}")


def table_of(rounds: Sequence[Round], task: TaskDetails) -> str:
    """``uploaded_bytes``: ciphertexts of all commitments; amounts are smallest units of the task's token."""
    each = task.agreed.ciphertext_bytes if task.agreed else None
    return "".join(f"{','.join(line)}\r\n" for line in (COLUMNS, *(_line(one, each) for one in rounds)))


def _line(one: Round, each: int | None) -> tuple[str, ...]:
    score, moves = one.score, one.transactions
    values = (
        *(one.round, one.state, one.outcome, one.edge_server, one.opened_block, one.ended_block, one.cohort),
        *(one.committed, one.accepted, None if one.rejected is None else len(one.rejected)),
        *(score.correct if score else None, score.examples if score else None),
        *(one.privacy.epsilon if one.privacy else None, one.seconds, None if each is None else each * one.committed),
        *(one.allocated, one.compensation, one.model),
        *(moves.opened, moves.batched, moves.requested, moves.ended),
        *((one.gas.total, one.gas.per_update) if one.gas is not None else (None, None)),
    )
    return tuple(map(_cell, values))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if _CELL.fullmatch(text) else ""
