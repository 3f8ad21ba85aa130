"""Where a server keeps its records, if not in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from protocol.errors import MalformedError
from scripts.commands.outcome import reason
from storage.bounded_file import read_bounded

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

MAX_PASSWORD_BYTES: Final = 1024

DatabaseAddress = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="keeps its records there, sqlite:///FILE or postgresql://USER@HOST/NAME; else in its folder",
    ),
]
DatabasePasswordFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="file with the password of the database's user")
]


RecordsPutBack = Annotated[
    bool,
    typer.Option(
        "--records-put-back",
        help="its records are an older copy: nothing is signed of the rounds that run, beyond what is in them",
    ),
]


def database_of(address: str | None, password_file: Path | None, option: str = "--database") -> URL | None:
    if address is None:
        if password_file is not None:
            raise typer.BadParameter(f"{option}-password-file is of a {option}, which is missing")
        return None
    from storage.records.database import database_url

    try:
        password = None if password_file is None else _password(password_file)
        return database_url(address, password)
    except MalformedError as error:
        raise typer.BadParameter(f"{option}: {error.args[0]}") from error


def _password(path: Path) -> str:
    try:
        return read_bounded(path, MAX_PASSWORD_BYTES).decode().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "not a text"
        raise typer.BadParameter(f"{path}: {why}") from error
