"""Each line of a server's log says which task, round and trace it belongs to, from one server to the next."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from pathlib import Path

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.concurrency import run_in_threadpool

from backend.metrics.requests import WatchedRequests
from backend.process import configure_log
from backend.rounds.committee_client import CommitteeClient
from backend.trace_context import trace_headers, trace_of
from tests.ports.reference_chain import DOMAIN
from tests.unit.backend.rounds.scene_committee import authority

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_what_is_logged_for_a_request_names_its_task_round_and_trace() -> None:
    app, log = FastAPI(), structlog.get_logger()

    @app.get("/api/v1/tasks/{task}/rounds/{number}")
    async def answer(task: int, number: int) -> int:
        await run_in_threadpool(lambda: log.warning("looked"))  # most answers are made in another thread
        return task + number

    told = io.StringIO()
    configure_log()
    with redirect_stderr(told), TestClient(WatchedRequests(app, None)) as client:
        client.get("/api/v1/tasks/4/rounds/2", headers={"traceparent": PARENT})
        client.get("/api/v1/tasks/5/rounds/1")
        log.warning("after")
    first, second, after = map(json.loads, told.getvalue().splitlines())
    assert (first["task"], first["round"], first["trace_id"]) == (4, 2, TRACE)
    assert (second["task"], second["round"]) == (5, 1) and second["trace_id"] != TRACE
    assert not {"task", "round", "trace_id"} & after.keys()


@pytest.mark.parametrize(
    "header",
    ["", "x", PARENT + "0", PARENT.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01", "00-\n" + PARENT, PARENT + "\n"],
)
def test_a_header_of_another_form_begins_a_trace_of_its_own(header: str) -> None:
    found = trace_of([(b"traceparent", header.encode())])
    assert len(found) == 32 and set(found) <= set("0123456789abcdef") and found != "0" * 32 and found != TRACE


def test_a_move_and_the_authority_that_it_asks_share_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[str]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(trace_of([(b"traceparent", request.headers.get("traceparent", "").encode())]))
        return httpx2.Response(200, json={"address": "0x" + authority(1).address.hex()})

    client = CommitteeClient(("http://127.0.0.1:9",), DOMAIN, Path())
    monkeypatch.setattr(client, "_http", httpx2.Client(transport=httpx2.MockTransport(answer)))
    client.identify()
    from protocol.messages.task import Committee
    from tests.samples import sample_spec

    spec = sample_spec(committee=Committee(2, (authority(1).address, authority(2).address), 0))
    with structlog.contextvars.bound_contextvars(trace_id=TRACE):
        client.show_task(1, spec)
        assert trace_headers()["traceparent"].split("-")[1] == TRACE
    client.close()
    assert seen[-1] == TRACE and trace_headers() == {}
