"""``hearth household serve``: the household's page, with the phones of its tasks and, if asked, its collector."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.errors import HearthError
from protocol.text import shown
from scripts.commands.broker_options import broker_of
from scripts.commands.options import (
    HOUSEHOLD,
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

if TYPE_CHECKING:
    from client_agent.data.intake.broker import Broker
    from client_agent.data.intake.readings import Readings

STOP_LOOK_SECONDS = 0.5


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
        str | None, typer.Option(metavar="URL", help="also collect readings from this broker, as collect does")
    ] = None,
    broker_password_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="file with the password of the broker's user")
    ] = None,
    poll_seconds: Annotated[
        float | None, typer.Option(min=0.05, max=3600, help="between two looks at the chain; else a block's time")
    ] = None,
    ready_file: ReadyFile = None,
) -> None:
    """The household's page: prints the link that opens it, and runs the phone of every task that its owner accepts."""
    from client_agent.home import HomeSettings, serve_household
    from storage.ledger.signer import Signer

    folder = household.expanduser()
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
        ready_file=ready_file,
    )
    reached = None if broker is None else broker_of(broker, broker_password_file, None, None)
    signer = Signer.from_keystore(keystore, password_file)
    collect = None if reached is None else _Collector(reached, folder)
    serve_household(settings, signer, typer.echo, collect)


@dataclass(frozen=True)
class _Collector:
    """Reads from a broker in a thread of its own, until it is stopped."""

    broker: Broker
    household: Path

    def __call__(self, readings: Readings, stopped: threading.Event) -> None:
        from client_agent.data.intake.arrival import MachineClock
        from client_agent.data.intake.broker import Collecting
        from client_agent.data.intake.conventions import NAMES, conventions_of
        from client_agent.data.intake.listening import Listening
        from scripts.commands.household import _Regularly

        def tell(line: str) -> None:
            typer.echo(shown(line))

        async def listen() -> None:
            listening = Listening(conventions_of(NAMES), readings, tell)
            regularly = _Regularly(readings, self.household, False, tell)
            collecting = Collecting(self.broker, listening, MachineClock(), tell, regularly)
            running = asyncio.ensure_future(collecting.run())
            while not stopped.is_set() and not running.done():
                await asyncio.wait([running], timeout=STOP_LOOK_SECONDS)
            collecting.stop()
            await running

        try:
            asyncio.run(listen())
        except HearthError as error:  # the page goes on without it
            tell(f"nothing is collected: {error}")
