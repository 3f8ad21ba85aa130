"""``hearth join LINK``, also ``hearth agent join LINK``: the phone of one household, from an invitation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from protocol.invitation import Invitation, parse_invitation
from scripts.commands.options import (
    HOUSEHOLD,
    ConfirmBy,
    Household,
    PasswordFile,
    PollSeconds,
    ReportFile,
    RpcUrl,
    SeedFile,
    Store,
)
from scripts.commands.phone_options import Data, DataSet, ExampleBudget, Leave, Yes, micro_of, run_phone

JOIN = "join"
Link = Annotated[
    Invitation,
    typer.Argument(metavar="LINK", parser=lambda text: parse_invitation(text), help="what hearth invite prints"),
]


class AgentCommand(TyperCommand):
    """``hearth agent`` with options of its own, and ``hearth agent join`` with those of ``hearth join``.

    A group would ask for the options of the first before it looked at the second.
    """

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        if args[:1] == [JOIN] and parent is not None:
            command = parent.command.get_command(parent, JOIN)
            return command.make_context(f"{info_name} {JOIN}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


def join(
    link: Link,
    rpc_url: RpcUrl,
    store: Store,
    password_file: PasswordFile,
    data: Data,
    household: Household = HOUSEHOLD,
    keystore: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="account as keystore V3 file; else keystore.json of the household"),
    ] = None,
    data_set: DataSet = None,
    yes: Yes = False,
    leave: Leave = False,
    report: ReportFile = None,
    example_budget: ExampleBudget = None,
    seed_file: SeedFile = None,
    poll_seconds: PollSeconds = None,
    confirm_by: ConfirmBy = None,
) -> None:
    """Checks an invitation against chain and content, then is the phone of one household in its task."""
    from client_agent.household_folder import HouseholdFolder
    from client_agent.settings import AgentSettings
    from scripts.commands.invite import look_at, said_of
    from storage.ledger.signer import Signer

    folder = HouseholdFolder(household.expanduser())
    signer = Signer.from_keystore(keystore or folder.keystore, password_file)
    typer.echo(said_of(look_at(link, rpc_url, store)))
    settings = AgentSettings(
        folder=folder.keep_invitation(link),
        household=folder.path,
        data=data,
        data_set=data_set,
        edge_urls=link.edge_urls,
        rpc_url=rpc_url,
        domain=link.domain,
        store=store,
        task=link.task,
        voucher_code=link.voucher_code,
        chain_seconds=poll_seconds,
        confirm_by=confirm_by,
        example_budget_micro=micro_of(example_budget),
    )
    run_phone(settings, signer, yes, leave, report, seed_file)
