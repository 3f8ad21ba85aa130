"""``hearth household serve``: the household's page, with the phones of its tasks and, if asked, its collector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.commands import broker_options
from scripts.commands.broker_options import (
    KEEP_DAYS,
    MAX_MEGABYTES,
    Conventions,
    KeepDays,
    MaxMegabytes,
    MqttVersion,
    Replayed,
    broker_of,
    conventions_asked,
    limits_of,
)
from scripts.commands.collecting import Collector
from scripts.commands.options import (
    HOUSEHOLD,
    ConfirmBy,
    Household,
    Keystore,
    Ledger,
    PasswordFile,
    Port,
    ReadyFile,
    RpcUrl,
    Store,
    url_option,
)


def serve(
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    keystore: Keystore,
    password_file: PasswordFile,
    household: Household = HOUSEHOLD,
    port: Port = 8300,
    host: Annotated[
        str, typer.Option(help="address to listen on; another than loopback opens the page to paired devices")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="by which the home network calls this machine; repeat for each"),
    ] = None,
    edge: Annotated[
        list[str] | None, url_option("of an edge server, for open tasks that come without an invitation")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="examples (safetensors) beside those of readings; repeat"),
    ] = None,
    broker: Annotated[
        str | None, broker_options.url_option("also collect readings from this broker, as collect does")
    ] = None,
    broker_password_file: Annotated[Path | None, broker_options.password_option("--broker-password-file")] = None,
    broker_ca_file: Annotated[Path | None, broker_options.ca_option("--broker-ca-file", "--ca-file")] = None,
    mqtt: MqttVersion = None,
    convention: Conventions = None,
    keep_days: KeepDays = KEEP_DAYS,
    max_megabytes: MaxMegabytes = MAX_MEGABYTES,
    replayed: Replayed = False,
    poll_seconds: Annotated[
        float | None, typer.Option(min=0.05, max=3600, help="between two looks at the chain; else a block's time")
    ] = None,
    ready_file: ReadyFile = None,
    confirm_by: ConfirmBy = None,
) -> None:
    """The household's page: prints the link that opens it, and runs the phone of every task that its owner accepts."""
    from client_agent.home import HomeSettings, serve_household
    from storage.ledger.signer import Signer

    folder = household.expanduser()
    conventions = conventions_asked(convention)
    reached = None
    if broker is not None:
        reached = broker_of(broker, broker_password_file, broker_ca_file, mqtt)
    elif broker_password_file or broker_ca_file or mqtt or convention or replayed:
        raise typer.BadParameter("options of a broker without --broker, which names it")
    settings = HomeSettings(
        household=folder,
        rpc_url=rpc_url,
        domain=ledger,
        store=store,
        port=port,
        host=host,
        names=tuple(name or ()),
        data=tuple(path.resolve() for path in data or ()),
        edges=tuple(edge or ()),
        chain_seconds=poll_seconds,
        confirm_by=confirm_by,
        limits=limits_of(keep_days, max_megabytes),
        ready_file=ready_file,
    )
    signer = Signer.from_keystore(keystore, password_file)
    collect = None if reached is None else Collector(reached, conventions, replayed, folder)
    serve_household(settings, signer, typer.echo, collect)
