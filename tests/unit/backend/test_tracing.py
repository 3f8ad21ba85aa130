"""Spans for a collector, where an operator wants them, and a plain word where the extra for them is missing."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from backend.start_checks import StartError
from backend.tracing import check_tracing, span_id, traced

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector(HTTPServer):
    """Keeps what is exported."""

    def __init__(self) -> None:
        self.got = list[ExportTraceServiceRequest]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                assert handler.path == "/v1/traces"
                body = handler.rfile.read(int(handler.headers["content-length"]))
                self.got.append(ExportTraceServiceRequest.FromString(body))
                handler.send_response(200)
                handler.end_headers()

            def log_message(self, *_: object) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)

    def spans(self) -> list[tuple[str, str]]:
        """Service and name."""
        return [
            (of.resource.attributes[-1].value.string_value, span.name)
            for got in self.got
            for of in got.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]


def test_requests_are_spans_and_the_log_names_them() -> None:
    app, lines = FastAPI(), list[dict[str, object]]()

    @app.get("/api/v1/tasks/{task}")
    async def task(task: int) -> int:
        lines.append(dict(span_id(None, "info", {"event": "looked"})))
        return task

    @app.get("/healthz")
    async def healthz() -> int:
        return 1

    collector = Collector()
    serving = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        with traced(app, f"http://127.0.0.1:{collector.server_port}/", "edge"), TestClient(app) as client:
            client.get("/api/v1/tasks/1", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
            client.get("/healthz")
    finally:
        collector.shutdown()
        serving.join()
        collector.server_close()
    names = [name for _, name in collector.spans()]
    assert names == ["GET /api/v1/tasks/{task}"], "spans of every piece that is sent, or of what machines ask"
    assert lines[0]["trace_id"] == TRACE and len(str(lines[0]["span_id"])) == 16
    assert span_id(None, "info", {"event": "later"}) == {"event": "later"}


def test_without_a_collector_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    check_tracing(None)
    app = FastAPI()
    with traced(app, None, "edge"):
        assert not app.user_middleware


def test_without_the_extra_it_is_said_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(StartError, match=r"hearth-fl\[opentelemetry\]"):
        check_tracing("http://127.0.0.1:4318")
