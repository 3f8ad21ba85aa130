"""``hearth cluster``: the machines that verify and add ciphertexts for an edge server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from scripts.commands.executor_options import AllowPlain, SchedulerCa, SchedulerCertificate, SchedulerKey, tls_of
from scripts.commands.options import Port, ReadyFile

cluster = typer.Typer(help="Several machines that verify and add ciphertexts.", no_args_is_help=True)

SCHEDULER_PORT = 8786


@cluster.command()
def scheduler(
    port: Port = SCHEDULER_PORT,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    ca: SchedulerCa = None,
    certificate: SchedulerCertificate = None,
    key: SchedulerKey = None,
    allow_plain: AllowPlain = False,
    ready_file: ReadyFile = None,
) -> None:
    """Gives tasks to workers, and the tasks of a worker that died to others. It sees no ciphertext."""
    from backend.aggregation.cluster_process import serve_scheduler
    from backend.process import configure_log

    configure_log()
    serve_scheduler(host, port, tls_of(ca, certificate, key, allow_plain), ready_file)


@cluster.command()
def worker(
    scheduler_address: Annotated[
        str,
        typer.Option(
            "--scheduler-address",
            envvar="HEARTH_SCHEDULER_ADDRESS",
            metavar="tls://HOST:PORT",
            help="of the cluster's scheduler",
        ),
    ],
    host: Annotated[
        str | None, typer.Option("--worker-host", help="by which other workers reach it; else it finds out")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="groups of ciphertexts at once")] = 1,
    ca: SchedulerCa = None,
    certificate: SchedulerCertificate = None,
    key: SchedulerKey = None,
    allow_plain: AllowPlain = False,
    ready_file: ReadyFile = None,
) -> None:
    """Verifies and adds groups of ciphertexts, which it fetches itself. It waits for a scheduler that is away."""
    from backend.aggregation.cluster_process import serve_worker
    from backend.process import configure_log

    configure_log()
    serve_worker(scheduler_address, host, threads, tls_of(ca, certificate, key, allow_plain), ready_file)


@cluster.command()
def certificates(
    folder: Annotated[Path, typer.Argument(help="that it makes; with keys, for its owner alone")],
    part: Annotated[list[str], typer.Option(help="of the cluster: scheduler, worker-1, edge-1; repeat for each")],
) -> None:
    """A certificate and a key for each part of a cluster, by an authority whose key nobody keeps."""
    from scripts.commands.cluster_certificates import write_certificates

    if not all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name) and name != "ca" for name in part):
        raise typer.BadParameter("a part has a name of small letters, digits and -, other than ca")
    if len(set(part)) != len(part):
        raise typer.BadParameter("each part once")
    if folder.exists():
        raise typer.BadParameter(f"{folder} is there; certificates of two authorities do not know each other")
    write_certificates(folder, part)
    typer.echo(folder)
