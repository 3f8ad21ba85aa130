"""``hearth invite``: a link and a QR code that bring a household to a task. Nothing of it is secret."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Annotated, Final

import typer

from protocol.identifiers import to_hex
from protocol.invitation import Invitation
from scripts.commands.options import JsonFile, Ledger, RpcUrl, Store, TaskNumber, telling_clock, url_option
from scripts.commands.output_file import OutputFile

if TYPE_CHECKING:
    from segno import QRCode

    from client_agent.invited import Invited

QrFile = Annotated[
    OutputFile | None, typer.Option("--qr", metavar="FILE", parser=OutputFile, help="also a picture: .svg or .png")
]
KINDS: Final = (".svg", ".png")
MODULE_PIXELS: Final = 8  # of a picture, for each square of the code


def invite(
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    task: TaskNumber,
    edge: Annotated[list[str], url_option("of an edge server of the task, as households reach it; repeat for each")],
    qr: QrFile = None,
    json_file: JsonFile = None,
) -> None:
    """Prints the invitation to a task as a link, and as a QR code where the terminal is wide enough for one."""
    from storage.ledger.ethereum.reader import EthereumReader

    if qr is not None and qr.path.suffix.lower() not in KINDS:
        raise typer.BadParameter(f"--qr {qr}: its name ends with {' or '.join(KINDS)}")
    asked = EthereumReader(
        rpc_url, ledger.ledger, chain_id=ledger.chain_id, first_block=ledger.first_block, clock=telling_clock()
    )
    view_spec = asked.task(task).spec
    invitation = Invitation(ledger, task, view_spec, tuple(url.rstrip("/") for url in edge))
    invited = look_at(invitation, rpc_url, store)
    code = code_of(invitation)
    typer.echo(said_of(invited))
    if (picture := for_terminal(code)) is not None:
        typer.echo(picture)
    typer.echo(str(invitation))
    if qr is not None:
        qr.write(as_picture(code, qr.path.suffix.lower()[1:]))
    if json_file is not None:
        json_file.write((json.dumps(facts_of(invited), sort_keys=True) + "\n").encode())


def look_at(invitation: Invitation, rpc_url: str, store: str) -> Invited:
    """Raises what does not agree, with whose fault it was; until then nothing of the task is shown."""
    from client_agent.invited import verify_invitation
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.reader import EthereumReader

    domain = invitation.domain
    reader = EthereumReader(
        rpc_url, domain.ledger, chain_id=domain.chain_id, first_block=domain.first_block, clock=telling_clock()
    )
    return verify_invitation(invitation, reader, open_store(store))


def said_of(invited: Invited) -> str:
    """One line for people."""
    from protocol.text import shown

    invitation = invited.invitation
    where = f"ledger {to_hex(invitation.domain.ledger)} on chain {invitation.domain.chain_id}"
    return (
        f"task {invitation.task} ({shown(invited.spec.title)}) of {where}: chain and content agree with the invitation"
    )


def facts_of(invited: Invited) -> dict[str, object]:
    invitation = invited.invitation
    return {
        "invitation": str(invitation),
        "chain_id": invitation.domain.chain_id,
        "ledger": to_hex(invitation.domain.ledger),
        "first_block": invitation.domain.first_block,
        "task": invitation.task,
        "spec": to_hex(invitation.spec),
        "title": invited.spec.title,
        "edge_urls": list(invitation.edge_urls),
    }


def code_of(invitation: Invitation) -> QRCode:
    """Of medium correction: it may be on a fridge."""
    import segno

    return segno.make_qr(str(invitation), error="m")


def as_picture(code: QRCode, kind: str) -> bytes:
    """``kind``: svg or png."""
    written = io.BytesIO()
    code.save(written, kind=kind, scale=MODULE_PIXELS)
    return written.getvalue()


def for_terminal(code: QRCode) -> str | None:
    """In half blocks; None where the terminal is too narrow, or has no such letters."""
    from rich.console import Console

    console = Console()
    written = io.StringIO()
    code.terminal(out=written, compact=True)
    lines = written.getvalue().rstrip("\n")
    fits = code.symbol_size(border=4)[0] <= console.width
    return lines if fits and console.is_terminal and not console.options.ascii_only else None
