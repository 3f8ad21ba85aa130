"""Options of the commands that are the phone of one household in one task, and what they do with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from protocol.messages.learning import MICRO
from scripts.commands.options import read_seed

if TYPE_CHECKING:
    from client_agent.settings import AgentSettings
    from storage.ledger.signer import Signer

Data = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="the household's examples (safetensors)")]
DataSet = Annotated[
    str | None, typer.Option(help="name of the data set that the file belongs to, for good; else: home")
]
Yes = Annotated[bool, typer.Option("--yes", help="agree, without being asked, to all that the policy allows")]
Leave = Annotated[bool, typer.Option("--leave", help="leave the task instead of taking part")]
ExampleBudget = Annotated[
    float | None,
    typer.Option(
        min=0.000001,
        max=1000,
        help="epsilon that each single example may cost in this task; one that has spent it sits the rest out",
    ),
]


def micro_of(example_budget: float | None) -> int | None:
    """In millionths."""
    return None if example_budget is None else round(example_budget * MICRO)


def run_phone(
    settings: AgentSettings, signer: Signer, yes: bool, leave: bool, report: Path | None, seed_file: Path | None
) -> NoReturn:
    """Ends the command: with 1 where its owner does not agree."""
    from client_agent.main import run_agent

    agreed = run_agent(
        settings,
        signer,
        seed=read_seed(seed_file),
        leave=leave,
        report=report,
        tell=typer.echo,
        agree=lambda question: yes or typer.confirm(question),
    )
    raise typer.Exit(0 if agreed else 1)
