"""``hearth voucher key|issue|redeem``: an identity that costs something, docs/vouchers.md."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from protocol.identifiers import to_hex
from protocol.invitation import Invitation, code_text, parse_invitation
from scripts.commands.options import HOUSEHOLD, Household, PasswordFile, RpcUrl, Store, telling_clock
from scripts.commands.outcome import OutputError, reason

MAX_CODES: Final = 1_000_000  # of one run

Link = Annotated[
    Invitation,
    typer.Argument(metavar="LINK", parser=lambda text: parse_invitation(text), help="with an appliance's code in it"),
]
AtOnce = Annotated[bool, typer.Option("--now", help="do not wait for the random instant that hides which code it was")]

voucher = typer.Typer(help="Vouchers: one enrolment for each appliance sold.", no_args_is_help=True)
KeyFolder = Annotated[
    Path, typer.Option("--keys", file_okay=False, help="folder of voucher keys, a file for each task's key")
]
Given = Annotated[
    Invitation | None,
    typer.Option(
        "--invitation",
        metavar="LINK",
        parser=lambda text: parse_invitation(text),
        help="of the task, as hearth invite prints it: a link with its code is written for each household",
    ),
]


@voucher.command()
def key(keys: KeyFolder, password_file: PasswordFile) -> None:
    """Makes a key for one task, and prints the table of the task file that names it, with its proof."""
    from backend.vouchers.issuer import key_path, make_key
    from protocol.toml_text import toml_of
    from protocol.vouchers.tables import VoucherTables
    from storage.ledger.keystore import read_password

    try:
        terms = make_key(keys, read_password(password_file))
    except OSError as error:
        raise OutputError(f"{keys}: {reason(error)}") from error
    typer.echo(f"# {key_path(keys, terms)}: keep it, and use it for one task")
    typer.echo(toml_of(VoucherTables(terms)), nl=False)


@voucher.command()
def issue(
    key_file: Annotated[Path, typer.Option("--key", dir_okay=False, help="what hearth voucher key made")],
    password_file: PasswordFile,
    count: Annotated[int, typer.Option(min=1, max=MAX_CODES, help="of codes, one for each appliance sold")],
    output: Annotated[Path, typer.Option("--output", dir_okay=False, help="file to write, never over another one")],
    invitation: Given = None,
) -> None:
    """Makes codes in bulk for a product line; each redeems one voucher, and is worth as much as one."""
    from dataclasses import replace

    from backend.vouchers.codes import new_codes
    from backend.vouchers.key_file import read_key
    from client_agent.randomness import SystemRandomness
    from storage.durable_file import write_new_file
    from storage.ledger.keystore import read_password

    codes = new_codes(read_key(key_file, read_password(password_file)), count, SystemRandomness())
    lines = [code_text(code) if invitation is None else str(replace(invitation, voucher_code=code)) for code in codes]
    try:
        write_new_file(output, ("\n".join(lines) + "\n").encode("ascii"), 0o600)
    except OSError as error:
        raise OutputError(f"{output}: {reason(error)}") from error
    typer.echo(f"{count} codes, written to {output}: whoever has one of them can redeem it")


@voucher.command()
def redeem(
    link: Link,
    rpc_url: RpcUrl,
    store: Store,
    password_file: PasswordFile,
    household: Household = HOUSEHOLD,
    keystore: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="account as keystore V3 file; else keystore.json of the household"),
    ] = None,
    now: AtOnce = False,
) -> None:
    """Redeems the code of an invitation for this household's account, and keeps the voucher for its phone.

    The phone does the same by itself once its owner has agreed.
    """
    from client_agent.edge_client import EdgeClient
    from client_agent.household_folder import JOURNAL, HouseholdFolder
    from client_agent.journal import AgentJournal
    from client_agent.randomness import SystemRandomness
    from client_agent.voucher import PhoneVoucher
    from protocol.errors import MalformedError
    from scripts.commands.invite import look_at, said_of
    from storage.ledger.ethereum.reader import EthereumReader
    from storage.ledger.signer import Signer
    from storage.records.journal import Journal

    folder = HouseholdFolder(household.expanduser())
    signer = Signer.from_keystore(keystore or folder.keystore, password_file)
    invited = look_at(link, rpc_url, store)
    typer.echo(said_of(invited))
    spec = invited.spec
    if not spec.vouchers.needed:
        raise MalformedError("this task needs no voucher")
    domain = link.domain
    reader = EthereumReader(
        rpc_url, domain.ledger, chain_id=domain.chain_id, first_block=domain.first_block, clock=telling_clock()
    )
    journal, edge = AgentJournal(Journal(folder.keep_invitation(link) / JOURNAL)), EdgeClient(link.edge_urls)
    try:
        phone = PhoneVoucher(
            domain, link.task, signer.address, link.voucher_code, edge, journal, SystemRandomness(), typer.echo
        )
        if now:
            phone.plan_now(spec, reader.now())
        while journal.voucher is None:
            at = reader.now()
            again = phone.step(spec, invited.view.enrol_until, at)
            if journal.voucher is None and again is not None:
                typer.echo(f"no voucher yet: again in {again - at:.0f} s")
                time.sleep(max(0.0, again - at))
        typer.echo(f"voucher of {to_hex(signer.address)} for task {link.task}: held by its phone")
    finally:
        journal.close()
        edge.close()
