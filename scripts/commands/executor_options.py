"""Options of a cluster's parts: where its scheduler is, and how they know each other."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from backend.aggregation.cluster import Cluster, TlsFiles


class ExecutorName(StrEnum):
    IN_PROCESS = "in-process"
    DASK = "dask"


ExecutorChoice = Annotated[
    ExecutorName,
    typer.Option(
        "--executor",
        envvar="HEARTH_EXECUTOR",
        help="what verifies and adds ciphertexts: this process, or a cluster's workers",
    ),
]
SchedulerAddress = Annotated[
    str | None,
    typer.Option(
        "--scheduler-address",
        envvar="HEARTH_SCHEDULER_ADDRESS",
        metavar="tls://HOST:PORT",
        help="of the cluster's scheduler",
    ),
]
SchedulerCa = Annotated[
    Path | None,
    typer.Option(
        "--scheduler-ca", envvar="HEARTH_SCHEDULER_CA_FILE", metavar="FILE", help="of the cluster's certificates"
    ),
]
SchedulerCertificate = Annotated[
    Path | None,
    typer.Option(
        "--scheduler-certificate",
        envvar="HEARTH_SCHEDULER_CERTIFICATE_FILE",
        metavar="FILE",
        help="by which this part of the cluster is known",
    ),
]
SchedulerKey = Annotated[
    Path | None,
    typer.Option("--scheduler-key", envvar="HEARTH_SCHEDULER_KEY_FILE", metavar="FILE", help="of that certificate"),
]
AllowPlain = Annotated[
    bool,
    typer.Option(
        "--allow-plain-cluster",
        help="without TLS: whoever reaches a port of the cluster may run programs on all of its machines",
    ),
]
WorkersStore = Annotated[
    str | None,
    typer.Option("--workers-store", envvar="HEARTH_WORKERS_STORE", help="the content store as workers reach it"),
]


def tls_of(ca: Path | None, certificate: Path | None, key: Path | None, plain: bool) -> TlsFiles | None:
    from backend.aggregation.cluster import TlsFiles

    if plain:
        if any((ca, certificate, key)):
            raise typer.BadParameter("--allow-plain-cluster has no use for certificates")
        return None
    if ca is None or certificate is None or key is None:
        raise typer.BadParameter("a cluster needs --scheduler-ca, --scheduler-certificate and --scheduler-key")
    return TlsFiles(ca, certificate, key)


def cluster_of(
    executor: ExecutorName, address: str | None, tls: tuple[Path | None, Path | None, Path | None, bool], store: str
) -> Cluster | None:
    """``tls``: arguments of :func:`tls_of`; ``store``: as workers reach it. Raises ExecutorError."""
    from backend.aggregation.cluster import Cluster

    if executor is ExecutorName.IN_PROCESS:
        if address is not None or any(tls):
            raise typer.BadParameter("options of a cluster are of --executor dask, which is missing")
        return None
    if address is None:
        raise typer.BadParameter("--executor dask needs a --scheduler-address")
    from backend.aggregation.dask_executor import workers_store

    cluster = Cluster(address, tls_of(*tls), workers_store(store))
    cluster.check()
    return cluster
