"""``hearth records``: the records of a server from one place to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.identifiers import parse_address
from scripts.commands.database_option import database_of

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

PLACE = "sqlite:///FILE, postgresql://USER@HOST/NAME, or a folder with journals"

From = Annotated[str, typer.Option("--from", metavar="PLACE", help=f"where they are: {PLACE}")]
To = Annotated[str, typer.Option("--to", metavar="PLACE", help=f"where they go to: {PLACE}")]
Account = Annotated[str, typer.Option(metavar="ADDRESS", help="whose they are: the server's or authority's account")]
FromPassword = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="file with the password of the database they are in")
]
ToPassword = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="file with the password of the database they go to")
]

records = typer.Typer(help="Records of servers: from one place to another.", no_args_is_help=True)


@records.command()
def copy(
    source: From,
    target: To,
    account: Account,
    from_password_file: FromPassword = None,
    to_password_file: ToPassword = None,
) -> None:
    """Copies the records of an account and compares them. No server may run on either place."""
    _transfer(source, target, account, from_password_file, to_password_file, erase=False)


@records.command()
def move(
    source: From,
    target: To,
    account: Account,
    from_password_file: FromPassword = None,
    to_password_file: ToPassword = None,
) -> None:
    """Copies the records of an account, compares them, and erases them where they were."""
    _transfer(source, target, account, from_password_file, to_password_file, erase=True)


def _transfer(
    source: str, target: str, account: str, source_password: Path | None, target_password: Path | None, *, erase: bool
) -> None:
    from storage.records.places import transfer

    places = _place(source, source_password, "--from"), _place(target, target_password, "--to")
    for stream, count in transfer(*places, parse_address(account), erase=erase).items():
        typer.echo(f"{stream}: {count:,} entries, the same in both places" + (", erased in the first" if erase else ""))


def _place(written: str, password_file: Path | None, option: str) -> Path | URL:
    if "://" in written or written.startswith("sqlite:"):
        database = database_of(written, password_file, option)
        assert database is not None
        return database
    if password_file is not None:
        raise typer.BadParameter(f"{option}-password-file is of a database, and {option} names a folder")
    return Path(written)
