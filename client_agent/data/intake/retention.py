"""What is deleted of the stored readings, and when."""

from __future__ import annotations

import sqlite3
from typing import Final

ALIVE: Final = "alive"  # when somebody listened last
TIDIED: Final = "tidied"
DAY: Final = 24 * 3600
_MOST_AT_ONCE: Final = 2 * DAY
_OF_A_PLUG: Final = (
    "DELETE FROM readings WHERE plug = ?",
    "DELETE FROM energy WHERE plug = ?",
    "DELETE FROM windows WHERE plug = ?",
    "DELETE FROM purposes WHERE plug = ?",
)


def moment(connection: sqlite3.Connection, name: str) -> int | None:
    found = connection.execute("SELECT at FROM moments WHERE name = ?", (name,)).fetchone()
    return None if found is None else int(found[0])


def set_moment(connection: sqlite3.Connection, name: str, at: int) -> None:
    connection.execute("INSERT OR REPLACE INTO moments VALUES (?, ?)", (name, at))


def shrink(connection: sqlite3.Connection, keep_days: int, now: int) -> None:
    """Deletes what is older than ``keep_days``. Its edge moves by two days at most: a clock that jumps into the future
    and comes back within the hour does not cost more."""
    last = moment(connection, TIDIED)
    today = now if last is None else min(now, last + _MOST_AT_ONCE)
    oldest = today - keep_days * DAY
    for (plug,) in connection.execute("SELECT id FROM plugs").fetchall():
        connection.execute("DELETE FROM readings WHERE plug = ? AND at < ?", (plug, oldest))
    connection.execute("DELETE FROM energy WHERE hour < ?", (oldest,))
    connection.execute("DELETE FROM windows WHERE start < ?", (oldest,))
    set_moment(connection, TIDIED, today)


def delete_plug(connection: sqlite3.Connection, plug: int) -> None:
    """With all that was measured by it and made of it."""
    for statement in _OF_A_PLUG:
        connection.execute(statement, (plug,))
    connection.execute("DELETE FROM progress WHERE appliance IN (SELECT id FROM appliances WHERE plug = ?)", (plug,))
    connection.execute("DELETE FROM appliances WHERE plug = ?", (plug,))
    connection.execute("UPDATE plugs SET same_as = NULL WHERE same_as = ?", (plug,))
    device = connection.execute("DELETE FROM plugs WHERE id = ? RETURNING device", (plug,)).fetchone()[0]
    unused = "DELETE FROM devices WHERE device = ? AND NOT EXISTS (SELECT 1 FROM plugs WHERE device = ?)"
    connection.execute(unused, (device, device))
