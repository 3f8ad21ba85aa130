"""All that a household has here, in one archive of JSON: readings, what it agreed to, what it sent, spent and earned.

No key is in it: whoever gets it can act for nobody.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from client_agent.data.intake.readings import Readings
from client_agent.web.departures import departures_of
from client_agent.web.household import Home
from client_agent.web.worker import Worker
from protocol.errors import HearthError
from protocol.identifiers import to_hex

FOR_EVER: Final = 2**40  # seconds
WHEN: Final = (1980, 1, 1, 0, 0, 0)  # of every file in the archive: it says nothing


def export(home: Home) -> bytes:
    """A zip archive. What cannot be read is left out, and named in ``missing.json``."""
    packed, missing = io.BytesIO(), list[str]()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _files(home, missing):
            archive.writestr(zipfile.ZipInfo(name, WHEN), content, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("missing.json", WHEN), _json(missing), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _files(home: Home, missing: list[str]) -> Iterator[tuple[str, bytes]]:
    yield "policy.toml", home.policy_text
    try:
        yield "privacy.json", _json(_privacy(home))
    except HearthError as error:
        missing.append(f"privacy.json: {error}")
    for worker in list(home.workers.values()):
        try:
            yield from _task(worker)
        except HearthError as error:
            missing.append(f"task {worker.task}: {error}")
    if home.readings is not None:
        try:
            yield from _readings(home.readings)
        except HearthError as error:
            missing.append(f"readings: {error}")


def _privacy(home: Home) -> list[dict[str, Any]]:
    budgets = home.budgets.of(home.spending(), home.policy.privacy)
    return [
        {
            "data_set": budget.data_set,
            "figure": str(budget.figure),
            "rounds_without_guarantee": budget.without_guarantee,
            "tasks": [
                {
                    "chain_id": cost.binding.chain_id,
                    "ledger": to_hex(cost.binding.ledger),
                    "task": cost.binding.task,
                    "rounds": cost.rounds,
                    "figure": str(cost.figure),
                }
                for cost in budget.tasks
            ],
        }
        for budget in budgets
    ]


def _task(worker: Worker) -> Iterator[tuple[str, bytes]]:
    folder, phone, standing = f"tasks/{worker.task}", worker.phone, worker.progress.standing
    yield f"{folder}/invitation.txt", f"{worker.kept.invitation}\n".encode()
    if phone is None or standing is None:
        return
    if phone.agent.journal.consented is not None:
        for name in ("consent.txt", "consent.json"):
            yield f"{folder}/{name}", phone.agent.journal.shown(name)
    sent = [
        {"what": str(one.thing), "number": one.number, "bytes": one.size, "sha256": one.digest.hex(), "cid": one.cid}
        for one in departures_of(phone.agent.journal, standing)
    ]
    yield f"{folder}/sent.json", _json(sent)
    paid = [
        {"transaction": to_hex(one.transaction), "block": one.block, "amount": str(one.amount)}
        for one in standing.payments
    ]
    yield f"{folder}/payments.json", _json({"account": to_hex(standing.client), "payments": paid})


def _readings(readings: Readings) -> Iterator[tuple[str, bytes]]:
    for plug in readings.appliances():
        series = readings.series(plug.number, 0, FOR_EVER)
        rows = [
            [int(at), None if np.isnan(watts) else float(watts)]
            for at, watts in zip(series.times, series.watts, strict=True)
        ]
        facts = {"name": plug.name, "source": plug.source, "kind": plug.kind, "brand": plug.brand}
        yield f"readings/{plug.number}.json", _json({**facts, "seconds_and_watts": rows})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode("ascii")
