"""Spans of requests for an OpenTelemetry collector, where its operator wants them: an extra, and off without a word."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

from fastapi import FastAPI

from backend.start_checks import StartError
from storage.http import shown_url

EXTRA: Final = "hearth-fl[opentelemetry]"
EXCLUDED: Final = "metrics,healthz"  # asked for every few seconds by machines
EXPORT_SECONDS: Final = 2  # that stopping may wait for a collector that is away


def check_tracing(collector: str | None) -> None:
    """That spans can be made, where a collector is named. Raises StartError."""
    if collector is None:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.instrumentation.fastapi
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        raise StartError(
            f"--otlp-url {shown_url(collector)} needs the extra {EXTRA}; install it, or leave the option out"
        ) from error


@contextmanager
def traced(app: FastAPI, collector: str | None, role: str) -> Iterator[None]:
    """Until it is left, each request of ``app`` is a span. ``collector``: URL of OTLP over HTTP; None: no spans."""
    if collector is None:
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"hearth-{role}"}))
    exporter = OTLPSpanExporter(endpoint=f"{collector.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=provider, excluded_urls=EXCLUDED, exclude_spans=["receive", "send"]
    )
    try:
        yield
    finally:
        provider.shutdown()


def span_id(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of the log: inside a span, its ids are the line's."""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"], line["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return line
