"""What a server counts of requests, of its chain's endpoint and of its records, and where that can be read."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from backend.listening import ListenError
from backend.metrics.exposition import MetricsAddress, exposed
from backend.metrics.process_metrics import ProcessMetrics, kind_of
from backend.metrics.requests import WatchedRequests
from backend.metrics.watched_records import WatchedRecords
from backend.problem import RequestError, install
from backend.rounds.inbox import ClaimCame
from storage.ledger.ethereum.rpc import AnswerTooLargeError, RpcRefusedError
from storage.ledger.ethereum.watched_provider import WatchedProvider
from storage.ledger.interface import LedgerError, TransactionRevertedError, UnansweredError
from storage.ledger.signer import Signer
from storage.records.interface import Change, OvertakenError, RecordsError
from storage.records.memory import MemoryRecords
from tests.samples import private_key

SOMETHING = Change((ClaimCame(1, bytes(20)),))
ADDRESS = Signer(private_key("edge")).address


@pytest.fixture
def metrics() -> ProcessMetrics:
    return ProcessMetrics("edge", ADDRESS)


@pytest.fixture
def client(metrics: ProcessMetrics) -> Iterator[TestClient]:
    app = FastAPI()
    install(app)

    @app.get("/api/v1/tasks/{task}")
    async def task(task: int) -> int:
        if task == 9:
            raise RequestError("no such task", code="E_NOT_FOUND")
        if task == 7:
            raise ZeroDivisionError
        return task

    with TestClient(WatchedRequests(app, metrics), raise_server_exceptions=False) as opened:
        yield opened


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_requests_are_counted_by_the_template_of_their_route(client: TestClient, metrics: ProcessMetrics) -> None:
    """Whoever asks for a million addresses makes no million lines."""
    for path in ("/api/v1/tasks/1", "/api/v1/tasks/2", "/api/v1/tasks/9", "/api/v1/tasks/7", "/a", "/b"):
        client.get(path)
    client.request("NONSENSE", "/api/v1/tasks/1")
    of = metrics.registry
    route = "/api/v1/tasks/{task}"
    counted = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in of.collect()
        if family.name == "hearth_http_requests"
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert counted == {
        ("GET", route, "200"): 2, ("GET", route, "404"): 1, ("GET", route, "500"): 1, ("GET", "none", "404"): 2,
        ("other", route, "405"): 1,
    }  # fmt: skip
    assert value(of, "hearth_http_request_seconds_count", route=route) == 5
    assert value(of, "hearth_http_requests_running") == 0


def test_each_process_has_a_registry_of_its_own(metrics: ProcessMetrics) -> None:
    other = ProcessMetrics("authority", ADDRESS)
    other.attempt()
    assert (
        value(metrics.registry, "hearth_rpc_attempts_total"),
        value(other.registry, "hearth_rpc_attempts_total"),
    ) == (
        0,
        1,
    )


def test_questions_to_the_endpoint_are_counted_by_method_and_by_what_went_wrong(metrics: ProcessMetrics) -> None:
    class Node:
        bytes_sent = 7
        wrong: Exception | None = None

        def make_request(self, method: str, params: object) -> dict[str, object]:
            if self.wrong is not None:
                raise self.wrong
            return {"result": params}

        def close(self) -> None: ...

    node, times = Node(), iter(range(100))
    watched = WatchedProvider(node, metrics.question, lambda: float(next(times)))
    assert watched.make_request("eth_call", 3) == {"result": 3} and watched.bytes_sent == 7
    node.wrong = UnansweredError("http://x: eth_call: HTTP 429: slow down")
    with pytest.raises(UnansweredError):
        watched.make_request("eth_call", 3)
    assert value(metrics.registry, "hearth_rpc_calls_total", method="eth_call") == 2
    assert value(metrics.registry, "hearth_rpc_errors_total", method="eth_call", kind="later") == 1
    assert value(metrics.registry, "hearth_rpc_seconds_sum", method="eth_call") == 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransactionRevertedError("TooLate"), "reverted"),
        (RpcRefusedError("eth_call", 3, "execution reverted"), "reverted"),
        (RpcRefusedError("eth_getProof", -32601, "no such method"), "refused"),
        (UnansweredError("away"), "unanswered"),
        (AnswerTooLargeError("big"), "too_large"),
        (LedgerError("eth_call: malformed answer"), "malformed"),
    ],
)
def test_kinds_of_errors(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


def test_records_are_timed_and_their_errors_counted(metrics: ProcessMetrics) -> None:
    class Full(MemoryRecords):
        full = False

        def append(self, change: Change, after: int) -> None:
            if self.full:
                raise RecordsError("no space left on device")
            super().append(change, after)

    inner, times = Full(), iter([0.0, 0.25, 1.0, 2.0, 3.0])
    records = WatchedRecords(inner, metrics.appended, lambda: next(times))
    records.append(SOMETHING, 0)
    with pytest.raises(OvertakenError):  # usual where several processes share a stream
        records.append(SOMETHING, 5)
    inner.full = True
    with pytest.raises(RecordsError):
        records.append(SOMETHING, 1)
    assert value(metrics.registry, "hearth_records_append_seconds_sum") == 0.25
    assert value(metrics.registry, "hearth_records_append_seconds_count") == 1
    assert value(metrics.registry, "hearth_records_errors_total", code="E_RECORDS") == 1
    assert value(metrics.registry, "hearth_records_errors_total", code="E_RECORDS_OVERTAKEN") is None


@contextmanager
def reading(metrics: ProcessMetrics) -> Iterator[str]:
    with exposed(metrics.registry, MetricsAddress(0)) as port:
        yield f"http://127.0.0.1:{port}/metrics"


def test_metrics_have_a_port_of_their_own(metrics: ProcessMetrics) -> None:
    metrics.watch_connections(lambda: 3)
    with reading(metrics) as url, urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
    assert "hearth_http_connections_waiting 3.0" in text and 'role="edge"' in text
    with pytest.raises(OSError):
        urllib.request.urlopen(url)


def test_without_a_port_nobody_reads_them(metrics: ProcessMetrics) -> None:
    with exposed(metrics.registry, None) as port:
        assert port is None


def test_a_port_that_is_taken_is_said(metrics: ProcessMetrics) -> None:
    with exposed(metrics.registry, MetricsAddress(0)) as port:
        assert port is not None
        with pytest.raises(ListenError, match="--metrics-port"), exposed(metrics.registry, MetricsAddress(port)):
            pass
