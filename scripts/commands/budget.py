"""``hearth budget``: what a household's data have cost in privacy, over all tasks and manufacturers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.identifiers import to_hex
from protocol.messages.learning import MICRO
from protocol.text import counted, shown
from scripts.commands.options import HOUSEHOLD, Household

if TYPE_CHECKING:
    from client_agent.privacy.ledger import Spending
    from protocol.task.owner_limits import PrivacyLimits


def budget(
    household: Household = HOUSEHOLD,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            help="folder of one task's phone, while it does not run: also what that task has cost your own examples,"
            " for your eyes only; repeat for each"
        ),
    ] = None,
) -> None:
    """Shows what every data set of the household has spent, of how much its policy allows, and in which tasks."""
    from client_agent.policy import parse_policy
    from client_agent.privacy.ledger import PrivacyLedger, Spending
    from client_agent.settings import POLICY, PRIVACY_LEDGER
    from storage.policy_file import read_policy_file
    from storage.records.journal import Journal

    path = household.expanduser() / PRIVACY_LEDGER
    spending = PrivacyLedger(lambda: Journal(path, wait=True)).spending() if path.exists() else Spending()
    policy = parse_policy(read_policy_file(household.expanduser() / POLICY))
    for line in lines_of(spending, policy.privacy):
        typer.echo(shown(line))
    for task in folder or ():
        for line in own_lines(task):
            typer.echo(shown(line))


def own_lines(folder: Path) -> Iterator[str]:
    """From what the phone of one task kept, which nobody else has. Raises BadParameter where there is no phone's
    folder, RecordsBusyError while it runs."""
    from client_agent.journal import AgentJournal
    from client_agent.privacy.own_figures import own_figures
    from storage.records.journal import Journal

    path = folder / "journal"
    if not path.exists():
        raise typer.BadParameter(f"{folder}: no phone of a task keeps its state here")
    journal = AgentJournal(Journal(path))
    try:
        found = own_figures(journal.followed)
    finally:
        journal.close()
    yield f"{folder}:"
    if found is None:
        yield "  nothing was kept of your own examples: the task holds none out"
    else:
        yield from (f"  {line}" for line in found.lines())


def lines_of(spending: Spending, limits: PrivacyLimits) -> Iterator[str]:
    """One line a data set, then one line a task of it."""
    delta_exponent = limits.total_delta_exponent
    names = sorted({*spending.files.values(), *(use.data_set for use in spending.charged)})
    if not names:
        yield "no data set was used yet"
    for name in names:
        most = f"of epsilon {limits.total_epsilon / MICRO:.3f} that all tasks together may cost"
        yield f"{name}: {spending.figure(name, delta_exponent)}; {most}{_uncovered(spending, name)}"
        tasks = sorted({use.task for use in spending.charged if use.data_set == name}, key=repr)
        for task in tasks:
            figure = spending.figure(name, delta_exponent, task)
            where = f"task {task.task} of ledger {to_hex(task.ledger)} on chain {task.chain_id}"
            yield f"  {where}: {counted(spending.rounds_of(name, task), 'round')}, {figure}"


def _uncovered(spending: Spending, name: str) -> str:
    rounds = spending.without_guarantee(name)
    return f"; it leaves out {counted(rounds, 'round')} without a guarantee" if rounds else ""
