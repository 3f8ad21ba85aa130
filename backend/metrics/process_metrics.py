"""What every server counts: requests, the chain's endpoint, records. The registry is the process's own, and no global
one: a test may make two servers in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from protocol.version import PROTOCOL_VERSION
from storage.ledger.ethereum.rpc import AnswerTooLargeError, RpcRefusedError
from storage.ledger.interface import TransactionRevertedError, UnansweredError

# of an answer, in seconds: a long poll may take half a minute, a committee that is far away some seconds
SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class ProcessMetrics:
    """``role`` is ``edge`` or ``authority``. May be shared by threads.

    Labels have few values: routes by their template, methods of the endpoint by their name, never a client's address.
    """

    def __init__(self, role: str, address: Address) -> None:
        self.registry = CollectorRegistry()
        of = self.registry
        about = Info("hearth_process", "What runs here", registry=of)
        about.info({"role": role, "address": to_hex(address), "protocol": PROTOCOL_VERSION})
        self._requests = Counter(
            "hearth_http_requests", "Requests that were answered", ("method", "route", "status"), registry=of
        )
        self._request_seconds = Histogram(
            "hearth_http_request_seconds", "From a request's header to the end of its answer", ("route",),
            buckets=SECONDS, registry=of,
        )  # fmt: skip
        self._running = Gauge(
            "hearth_http_requests_running", "Requests that are being answered, long polls too", registry=of
        )
        self._waiting = Gauge("hearth_http_connections_waiting", "Connections that wait for their peer", registry=of)
        self._calls = Counter("hearth_rpc_calls", "Questions to the chain's endpoint", ("method",), registry=of)
        self._attempts = Counter(
            "hearth_rpc_attempts", "Requests that these questions took, repetitions too", registry=of
        )
        self._rpc_errors = Counter(
            "hearth_rpc_errors",
            "Questions to the chain's endpoint that brought no answer",
            ("method", "kind"),
            registry=of,
        )
        self._rpc_seconds = Histogram(
            "hearth_rpc_seconds", "Of a question to the chain's endpoint, repetitions too", ("method",),
            buckets=SECONDS, registry=of,
        )  # fmt: skip
        self._append_seconds = Histogram(
            "hearth_records_append_seconds", "Until an entry of the records is durable", buckets=SECONDS, registry=of
        )
        self._record_errors = Counter(
            "hearth_records_errors", "Records that could not be kept or read", ("code",), registry=of
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One that was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def running(self, change: int) -> None:
        self._running.inc(change)

    def watch_connections(self, waiting: Callable[[], int]) -> None:
        """``waiting``: how many connections wait for their peer now."""
        self._waiting.set_function(waiting)

    def question(self, method: str, seconds: float, error: Exception | None) -> None:
        """One to the chain's endpoint, with all its repetitions."""
        self._calls.labels(method).inc()
        self._rpc_seconds.labels(method).observe(seconds)
        if error is not None:
            self._rpc_errors.labels(method, kind_of(error)).inc()

    def attempt(self, _sent: int = 0, _received: int = 0) -> None:
        """One request of a question to the chain's endpoint."""
        self._attempts.inc()

    def appended(self, seconds: float, error: HearthError | None) -> None:
        """To the records, or not."""
        if error is None:
            self._append_seconds.observe(seconds)
        else:
            self._record_errors.labels(error.code).inc()


def kind_of(error: Exception) -> str:
    """Of a question to the chain's endpoint: what went wrong, in one of few words."""
    if isinstance(error, TransactionRevertedError):
        return "reverted"
    if isinstance(error, RpcRefusedError):
        reason = error.reason.lower()
        return "reverted" if "revert" in reason or error.rpc_code == 3 else "refused"
    if isinstance(error, UnansweredError):
        return "later" if "HTTP 429" in str(error) else "unanswered"
    return "too_large" if isinstance(error, AnswerTooLargeError) else "malformed"
