"""``hearth bench screening``: what one authority does in a screened round, and the verdict, beside a plaintext server's
inner products in the same run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from protocol.screening.arithmetic import prepare
from protocol.screening.decision import decide_screened
from protocol.screening.openings import needed
from scripts.bench.machine import describe, is_busy
from scripts.bench.screening_round import Round
from scripts.bench.timing import REPETITIONS, clock, repeat

BOUNDS: Final = {(100, 10_000, 5, 2): 60, (100, 100_000, 5, 2): 450}  # milliseconds of an authority


def run(clients: int, dimensions: Sequence[int], m: int, t: int, say: Callable[[str], None]) -> dict[str, Any]:
    """One row for each dimension, and the targets that are for these sizes."""
    rows = []
    for dimension in dimensions:
        say(f"{clients} clients, {dimension:,} coordinates, {t} of {m}")
        rows.append(measure(Round(clients, dimension, m, t)))
    return {"machine": describe(), "busy": is_busy(), "rows": rows, "targets": targets(rows)}


def measure(played: Round) -> dict[str, Any]:
    """Milliseconds of a processor at one authority, the best of a few repetitions and its parts; of the verdict; and of
    a server that sees the updates, in float64. What is opened is held against the updates first."""
    prepare(played.n * played.dimension)
    openings = played.openings()
    verdict, _ = clock(partial(decide_screened, played.screened(), openings))
    parts = []
    for _ in range(REPETITIONS):
        size = played.answer(1).size
        parts.append(dict(played.seconds))
    best = min(parts, key=lambda one: sum(one.values()))
    reals = played.values.astype(np.float64)
    exact = (played.values[0] @ played.values.T).astype(np.float64)
    peer = repeat(lambda: reals @ reals.T, lambda found: _check(found[0], exact))
    return {
        "clients": played.n,
        "dimension": played.dimension,
        "committee": [played.m, played.t],
        "answers_needed": needed(played.t),
        "authority_ms": _milliseconds(sum(best.values())),
        "authority_parts_ms": {name: _milliseconds(seconds) for name, seconds in best.items()},
        "verdict_s": round(verdict, 3),
        "answer_bytes": size,
        "plaintext_gram_ms": round(peer.minimum, 2),
    }


def targets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are for a row's size."""
    found = []
    for row in rows:
        bound = BOUNDS.get((row["clients"], row["dimension"], *row["committee"]))
        if bound is not None:
            measured = row["authority_ms"]
            what = f"authority, {row['dimension']:,} coordinates, ms of a processor"
            found.append({"what": what, "measured": measured, "bound": bound, "met": measured <= bound})
    return found


def _check(found: Any, expected: Any) -> None:
    if not np.array_equal(found, expected):
        raise ArithmeticError("the plaintext inner products are wrong")


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 2)
