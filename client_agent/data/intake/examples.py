"""Examples of the plugs that their owner assigned and switched on, in one file for each purpose.

What was made once stays as it is, byte for byte: an example that changed would get another coin, and could move from
what is never trained on to what is. New ones come at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from client_agent.data.intake.holding import MINUTE
from client_agent.data.intake.plugs import OTHER, Plug, Purpose
from client_agent.data.intake.readings import Readings
from client_agent.data.intake.twins import mark_twins
from client_agent.data.intake.windows import SHAPES, Made, example_of, examples_of, stored
from protocol.identifiers import sha256
from protocol.model.dataset import encode_examples
from storage.durable_file import write_file_atomically

EXAMPLES: Final = "examples"  # folder, in that of a household
MOST_EXAMPLES: Final = 4_000  # of a file, the newest: a task takes a bounded number from one household
SETTLE_SECONDS: Final = 120  # after which nothing is added to a minute
_AT_ONCE: Final = 24 * 3600  # seconds of readings that are looked at together
_ROWS: Final = """
SELECT inputs, label, appliance FROM (
    SELECT w.id, inputs, label, appliance FROM windows w JOIN purposes p USING (plug, purpose)
    WHERE purpose = ? ORDER BY w.id DESC LIMIT ?) ORDER BY id
"""
_INSERT: Final = """
INSERT OR IGNORE INTO windows (plug, appliance, purpose, start, inputs, label, content) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def file_of(household: Path, purpose: Purpose) -> Path:
    return household / EXAMPLES / f"{purpose.value}.safetensors"


def write_examples(readings: Readings, household: Path, now: int) -> dict[Purpose, int]:
    """Makes what is new, and renames whole files over those of purposes in which something changed. A purpose without
    examples has no file.

    Returns how many examples each file has. Raises ReadingsError, OSError: the files are then as they were.
    """
    mark_twins(readings, now)
    for plug in readings.appliances():
        for purpose in sorted(plug.purposes):
            if plug.kind is not None and plug.same_as is None:
                _make(readings, plug, purpose, now - SETTLE_SECONDS)
    return {purpose: _written(readings, household, purpose) for purpose in Purpose}


def _make(readings: Readings, plug: Plug, purpose: Purpose, end: int) -> None:
    """Windows that ended by ``end`` and were not looked at yet."""
    step, length = SHAPES[purpose].stride * MINUTE, SHAPES[purpose].minutes * MINUTE
    appliance, first = _place(readings, plug, purpose, step)
    for begin in range(first, end - length + 1, _AT_ONCE):
        starts = range(begin, min(begin + _AT_ONCE, end - length + 1), step)
        watts = readings.minutes(plug.number, begin, starts[-1] + length)
        made = list[tuple[int, Made]]()
        for start in starts:
            place = (start - begin) // MINUTE
            example = example_of(purpose, watts[:, place : place + length // MINUTE], plug.kind or OTHER)
            if example is not None:
                made.append((start, example))
        _keep(readings, (plug.number, appliance, purpose.value), made, starts[-1] + step)


def _place(readings: Readings, plug: Plug, purpose: Purpose, step: int) -> tuple[int, int]:
    """The number of the appliance, and the start of the first window to look at."""
    with readings.database.reading() as connection:
        asked = "SELECT a.id, a.since FROM plugs p JOIN appliances a ON a.id = p.appliance WHERE p.id = ?"
        appliance, since = connection.execute(asked, (plug.number,)).fetchone()
        oldest = connection.execute("SELECT min(at) FROM readings WHERE plug = ?", (plug.number,)).fetchone()[0]
        asked = "SELECT until FROM progress WHERE appliance = ? AND purpose = ?"
        done = connection.execute(asked, (appliance, purpose.value)).fetchone()
    first = 2**62 if oldest is None else max(since, oldest, done[0] if done else 0)
    return appliance, -(-first // step) * step


def _keep(
    readings: Readings, place: tuple[int, int, str], made: Sequence[tuple[int, Made]], looked_at_until: int
) -> None:
    """One that is there already, by its window or by its content, stays as it is."""
    rows = [(*place, start, *stored(example)) for start, example in made]
    with readings.database.changing() as connection:
        connection.executemany(_INSERT, [(*row, sha256(row[4])) for row in rows])
        connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?, ?)", (*place[1:], looked_at_until))


def _written(readings: Readings, household: Path, purpose: Purpose) -> int:
    path = file_of(household, purpose)
    with readings.database.reading() as connection:
        rows = connection.execute(_ROWS, (purpose.value, MOST_EXAMPLES)).fetchall()
    if not rows:
        path.unlink(missing_ok=True)
        return 0
    data = encode_examples(examples_of(purpose, rows))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != data:
        write_file_atomically(path, data, 0o600)
    return len(rows)
