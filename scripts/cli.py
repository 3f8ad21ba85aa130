"""The ``hearth`` command: the demonstration, every role, and the tools around them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from scripts import outermost
from scripts.commands import (
    accounts,
    audit,
    authority,
    bench,
    budget,
    cluster,
    cost,
    deposits,
    development,
    doctor,
    evaluate,
    household,
    household_backup,
    household_page,
    invite,
    join,
    manufacturer,
    policy,
    records,
    roles,
    simulate,
    tasks,
    testnet,
    voucher,
)
from scripts.commands.options import JsonFile
from scripts.commands.welcome import WELCOME, version_line

app = typer.Typer(
    name="hearth",
    help="Crowdsourced federated learning that anyone can audit.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: whole words in 40 columns, any alphabet, and no library to load for it
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(roles.serve, name="serve")
app.add_typer(cluster.cluster, name="cluster")
app.command(name="agent", cls=join.AgentCommand)(roles.agent)
app.command(name="join")(join.join)
app.command(name="tasks")(tasks.tasks)
app.command(name="invite")(invite.invite)
app.command(name="budget")(budget.budget)
app.add_typer(policy.policy, name="policy")
manufacturer.task.command(name="cost")(cost.cost)
app.add_typer(manufacturer.task, name="task")
app.add_typer(manufacturer.model, name="model")
app.add_typer(deposits.bond, name="bond")
app.add_typer(deposits.stake, name="stake")
app.command(name="withdraw")(deposits.withdraw)
app.command(name="audit")(audit.audit)
app.command(name="dispute")(audit.dispute)
app.command(name="deploy")(accounts.deploy)
app.command(name="doctor")(doctor.doctor)
app.add_typer(accounts.key, name="key")
app.add_typer(records.records, name="records")
app.add_typer(authority.authority, name="authority")
app.add_typer(voucher.voucher, name="voucher")
testnet.testnet.command(name="accounts")(development.accounts)
testnet.testnet.command(name="fund")(development.fund)
testnet.testnet.command(name="task")(development.task)
testnet.testnet.command(name="ended")(development.ended)
app.add_typer(testnet.testnet, name="testnet")
app.add_typer(bench.bench, name="bench")
app.command(name="evaluate")(evaluate.evaluate)
app.add_typer(simulate.simulate, name="simulate")
household.household.command(name="serve")(household_page.serve)
household.household.command(name="backup")(household_backup.backup)
household.household.command(name="restore")(household_backup.restore)
app.add_typer(household.household, name="household")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(version_line())
        raise typer.Exit


@app.callback()
def before_every_command(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="show the trace of whatever ends the command")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="of this program, and exit")
    ] = False,
) -> None:
    if isinstance(context.obj, outermost.Session):
        context.obj.debug = debug
    if context.invoked_subcommand is None:
        typer.echo(WELCOME)


@app.command()
def prepare() -> None:
    """Compile the loops of encryption and training for this processor, which their first use would do otherwise."""
    from client_agent.training.gradients import prepare as prepare_training
    from protocol.encryption.suite import prepare

    prepare()
    prepare_training()


@app.command()
def demo(
    dataset: Annotated[
        str, typer.Option(help="digits (bundled), or mnist, appliances, next-hour, traffic (from HEARTH_DATA_DIR)")
    ] = "digits",
    partition: Annotated[
        str | None, typer.Option(help="who gets what: iid, dirichlet or one-class (digits, mnist), household (others)")
    ] = None,
    clients: Annotated[
        int | None, typer.Option(min=3, max=100, help="households: 10, or 20 for --dataset appliances --pages")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000)] = 10,
    chain: Annotated[str, typer.Option(help="memory, anvil, or the RPC URL of a chain")] = "memory",
    chain_id: Annotated[int | None, typer.Option(min=1, help="of the chain at that URL")] = None,
    mechanism: Annotated[
        str, typer.Option(help="privacy: example, client, distributed, correlated, features (no guarantee)")
    ] = "example",
    suite: Annotated[
        str, typer.Option(help="screened (updates are compared), fe64 (constant-size key) or pad (one-time pad)")
    ] = "screened",
    seed: Annotated[int | None, typer.Option(min=0, help="repeats a run; without it the system's randomness")] = None,
    pages: Annotated[
        bool, typer.Option("--pages", help="one household is a page on which you say yes; both faces stay open")
    ] = False,
    json_file: JsonFile = None,
    keep: Annotated[Path | None, typer.Option(help="keep every role's folder and the evidence here")] = None,
    keystore: Annotated[Path | None, typer.Option(help="funded account, for a chain by URL")] = None,
    password_file: Annotated[Path | None, typer.Option(help="password of that keystore")] = None,
) -> None:
    """One whole task on this machine, every role a process of its own: posted, trained, paid, audited."""
    from rich.console import Console

    from scripts.demonstration.data import PARTITIONS
    from scripts.demonstration.mechanisms import MECHANISMS
    from scripts.demonstration.run import DemoOptions, run_demo
    from scripts.demonstration.screening import SUITES

    if mechanism not in MECHANISMS:
        raise typer.BadParameter(f"{mechanism}: {', '.join(MECHANISMS)}")
    if dataset not in PARTITIONS:
        raise typer.BadParameter(f"{dataset}: {', '.join(PARTITIONS)}")
    if partition not in (None, *PARTITIONS[dataset]):
        raise typer.BadParameter(f"--partition {partition}: {dataset} is dealt out by {', '.join(PARTITIONS[dataset])}")
    if suite not in SUITES:
        raise typer.BadParameter(f"{suite}: {', '.join(SUITES)}")
    if chain not in ("memory", "anvil") and chain_id is None:
        raise typer.BadParameter("a chain by URL needs its --chain-id")
    options = DemoOptions(
        dataset=dataset,
        clients=clients or (20 if pages and dataset == "appliances" else 10),
        rounds=rounds,
        chain=chain,
        seed=seed,
        json_file=json_file,
        keep=keep,
        keystore=keystore,
        password_file=password_file,
        suite=suite,
        chain_id=chain_id,
        mechanism=mechanism,
        partition=partition or PARTITIONS[dataset][0],
        pages=pages,
    )
    raise typer.Exit(run_demo(options, Console()))


def main() -> NoReturn:
    """The whole process: ends it with one of the documented exit codes."""
    outermost.end(typer.main.get_command(app))


if __name__ == "__main__":
    main()
