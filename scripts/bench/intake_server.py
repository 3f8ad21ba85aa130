"""The server of ``hearth bench intake`` as a process of its own: an edge server as it is, or a bare endpoint beside it.

It says on standard output, one JSON object a line, when it listens and when it woke whom; ``open`` on its standard
input opens the next round.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from backend.api.app import edge_app
from backend.bonds import BondKeeper
from backend.dashboard.app import add_dashboard
from backend.dashboard.frame import SystemRandomness, names_of, pages_of
from backend.listening import Listening, listening_socket, raise_file_limit
from backend.process import configure_log, serve
from backend.rounds.bell import Bell
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from backend.rounds.hosted_task import HostedTask
from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from backend.rounds.performer import Performer
from protocol.identifiers import Address
from protocol.messages.chain import TaskPosted
from protocol.messages.round import SignedEndorsement
from protocol.task.documents import Kind
from scripts.bench.intake_scene import DOMAIN, ShownChain, key_of
from storage.content.memory import MemoryStore
from storage.ledger.interface import Ledger
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.records.database import database_url
from storage.records.open_records import open_records
from storage.task_reader import TaskReader

POLL_SECONDS = 0.05


def tell(**said: Any) -> None:
    print(json.dumps(said), flush=True)


class ToldBell(Bell):
    """Knows when it rang for somebody."""

    def __init__(self) -> None:
        super().__init__()
        self.rings: list[float] = []

    def ring(self) -> None:
        if self.is_awaited:
            self.rings.append(time.monotonic())
        super().ring()


class SilentCommittee:
    """Nobody of it endorses anything, and nothing else is asked while phones commit."""

    def endorsements(self, *_: object) -> dict[Address, SignedEndorsement]:
        return {}


def serve_edge(folder: Path, clients: int, database: str | None) -> None:
    configure_log()
    signer, store = Signer(key_of("edge")), MemoryStore()
    chain = ShownChain(store, clients)
    ledger = cast(Ledger, chain)
    url = None if database is None else database_url(database)
    with open_records(folder, url, signer.address) as records:
        journal, inbox = EdgeJournal(records("journal")), Inbox(records("inbox"))
        for number in (1, 2):
            journal.keep_opening(1, number)  # as a server does that opens them itself
        committee = cast(CommitteeClient, SilentCommittee())

        def host(posted: TaskPosted) -> HostedTask:
            reader = TaskReader(store, posted.task, list(Kind))
            performer = Performer(ledger, store, journal, committee, reader, driver.pause)
            told = driver.wake, performer.seconds, driver.deep, performer.endorsing.endorsements
            desk = Desk(DOMAIN, signer, posted.task, journal, inbox, frozenset(), *told)
            desk.bell = bell
            return HostedTask(posted, ledger, performer, desk, BondKeeper(ledger, 0))

        bell = ToldBell()
        driver = Driver(ledger, inbox, host, Polling(ledger, POLL_SECONDS))
        driver.start()
        try:
            app = edge_app(ledger, store, driver)
            add_dashboard(app, pages_of(names_of(()), SystemRandomness()))
            tell(label="0x" + chain.plan.label().hex())
            threading.Thread(target=_listen_for_orders, args=(chain, bell), daemon=True).start()
            serve(app, Listening(0, ready_file=folder / "ready"), signer.address)
        finally:
            driver.stop()


def _listen_for_orders(chain: ShownChain, bell: ToldBell) -> None:
    number = 1
    for line in sys.stdin:
        if line.strip() == "open":
            number += 1
            chain.open(number)
            tell(opened=chain.opened_at)
        elif line.strip() == "rings":
            tell(rings=bell.rings)


def serve_bare(folder: Path) -> None:
    """What FastAPI takes to parse such a body and to answer with as many bytes: nothing is checked or kept."""
    app, answer = FastAPI(), {"server": "0x" + "11" * 20, "signature": "0x" + "22" * 65}
    raise_file_limit()

    @app.post("/api/v1/tasks/{task}/rounds/{number}/commitments")
    async def commit(task: int, number: int, request: Request) -> Response:
        json.loads(await request.body())
        return JSONResponse(answer, 202)

    with listening_socket(Listening(0)) as opened:
        (folder / "ready").write_text(f"http://127.0.0.1:{opened.getsockname()[1]}")
        config = uvicorn.Config(app, log_level="warning", access_log=False, http="h11", ws="none", lifespan="off")
        uvicorn.Server(config).run([opened])


if __name__ == "__main__":
    kind, place, *rest = sys.argv[1:]
    if kind == "bare":
        serve_bare(Path(place))
    else:
        serve_edge(Path(place), int(rest[0]), rest[1] if len(rest) > 1 else None)
