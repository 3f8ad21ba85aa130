"""``hearth authority``: what the operator of a key authority does by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from protocol.identifiers import parse_address
from scripts.commands.database_option import DatabaseAddress, DatabasePasswordFile, database_of
from scripts.commands.options import Folder

authority = typer.Typer(help="A key authority's records.", no_args_is_help=True)


@authority.command(name="forget-history")
def forget_history(
    folder: Folder,
    account: Annotated[str, typer.Option(metavar="ADDRESS", help="the authority's")],
    task: Annotated[int, typer.Option(min=1, help="a screened one")],
    client: Annotated[str, typer.Option(metavar="ADDRESS", help="who asks for it")],
    database: DatabaseAddress = None,
    database_password_file: DatabasePasswordFile = None,
) -> None:
    """Erases what a screened task's authority holds of one client's updates. It must not run, if its records are in its
    folder.

    Until the task's window is over it opens nothing of rounds in which the others still open that history.
    """
    from backend.key_authority.records import AuthorityRecords
    from storage.records.open_records import open_records

    owner, address = parse_address(account), parse_address(client)
    with open_records(folder, database_of(database, database_password_file), owner) as opened:
        records = AuthorityRecords(opened("journal"))
        held = address in records.histories.held(task)
        records.histories.forget(task, [address])
    typer.echo(f"the history of {client} in task {task} " + ("is erased" if held else "was not held"))
