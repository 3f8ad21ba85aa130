"""Which appliance a plug measures, from when on: another one at the same plug is another owner of examples."""

from __future__ import annotations

import sqlite3

from client_agent.data.intake.plugs import Purpose
from client_agent.data.intake.windows import SHAPES, label_of


def name_appliance(connection: sqlite3.Connection, plug: int, named: tuple[str, str], now: int, correct: bool) -> None:
    """``named``: kind and brand. ``correct``: the last word was wrong, so what was made by it is labelled again."""
    asked = "SELECT id, kind, brand FROM appliances WHERE plug = ? ORDER BY id DESC LIMIT 1"
    last = connection.execute(asked, (plug,)).fetchone()
    if last is None or (last[1:] != named and not correct):
        made = "INSERT INTO appliances (plug, kind, brand, since) VALUES (?, ?, ?, ?)"
        number = connection.execute(made, (plug, *named, 0 if last is None else now)).lastrowid
    else:
        number = last[0]
        if last[1:] != named:
            connection.execute("UPDATE appliances SET kind = ?, brand = ? WHERE id = ?", (*named, number))
            _label_again(connection, number, named[0])
    connection.execute("UPDATE plugs SET appliance = ? WHERE id = ?", (number, plug))


def _label_again(connection: sqlite3.Connection, appliance: int, kind: str) -> None:
    """Inputs stay, so that each example keeps its coin. Of a kind without a label there is no example of a type."""
    label = label_of(kind)
    for purpose in (one for one in Purpose if SHAPES[one].of_type):
        place = (appliance, purpose.value)
        if label is None:
            connection.execute("DELETE FROM windows WHERE appliance = ? AND purpose = ?", place)
        else:
            connection.execute("UPDATE windows SET label = ? WHERE appliance = ? AND purpose = ?", (label, *place))
            # of a kind that had no label nothing was made yet
        connection.execute("DELETE FROM progress WHERE appliance = ? AND purpose = ?", place)
