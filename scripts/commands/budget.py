"""``hearth budget``: what a household's data have cost in privacy, over all tasks and manufacturers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from protocol.identifiers import to_hex
from protocol.messages.task import MICRO
from protocol.text import shown
from scripts.commands.options import HOUSEHOLD, Household

if TYPE_CHECKING:
    from client_agent.policy import PrivacyLimits
    from client_agent.privacy.ledger import Spending


def budget(
    household: Household = HOUSEHOLD,
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


def lines_of(spending: Spending, limits: PrivacyLimits) -> Iterator[str]:
    """One line a data set, then one line a task of it."""
    delta_exponent = limits.total_delta_exponent
    names = sorted({*spending.files.values(), *(use.data_set for use in spending.charged)})
    if not names:
        yield "no data set was used yet"
    for name in names:
        total, most = spending.epsilon_micro(name, delta_exponent) / MICRO, limits.total_epsilon / MICRO
        together = f"epsilon {total:.3f} of {most:.3f} at delta 1e-{delta_exponent}, all tasks together"
        yield f"{name}: {together}{_uncovered(spending, name)}"
        tasks = sorted({use.task for use in spending.charged if use.data_set == name}, key=repr)
        for task in tasks:
            epsilon = spending.epsilon_micro(name, delta_exponent, task) / MICRO
            where = f"task {task.task} of ledger {to_hex(task.ledger)} on chain {task.chain_id}"
            yield f"  {where}: {spending.rounds_of(name, task)} rounds, epsilon {epsilon:.3f}"


def _uncovered(spending: Spending, name: str) -> str:
    rounds = spending.without_guarantee(name)
    return f"; {rounds} rounds without a guarantee are not in it" if rounds else ""
