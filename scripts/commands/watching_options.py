"""How a server is watched: its metrics and its traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scripts.commands.options import url_option

if TYPE_CHECKING:
    from backend.metrics.exposition import MetricsAddress

MetricsPort = Annotated[
    int | None,
    typer.Option(
        envvar="HEARTH_METRICS_PORT", min=0, max=65535, help="Prometheus reads metrics there, at /metrics; else nobody"
    ),
]
MetricsHost = Annotated[
    str, typer.Option(envvar="HEARTH_METRICS_HOST", help="address for the metrics; one that the collector reaches")
]
METRICS_HOST = "127.0.0.1"  # without the option
OtlpUrl = Annotated[
    str | None,
    url_option("of the OpenTelemetry collector of its traces (OTLP over HTTP); an extra", envvar="HEARTH_OTLP_URL"),
]


def metrics_address(port: int | None, host: str) -> MetricsAddress | None:
    if port is None:
        return None
    from backend.metrics.exposition import MetricsAddress

    return MetricsAddress(port, host)
