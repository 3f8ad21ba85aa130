"""``hearth household attack``: how much attackers find in what this household's phone sent in a task."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.commands.options import HOUSEHOLD, Household, JsonFile, Ledger, RpcUrl, Store, TaskNumber

if TYPE_CHECKING:
    from rich.table import Table

    from client_agent.attacks.own_phone import Attack

WHO = {
    "world": "everybody, who sees the sealed update",
    "opened": "who opened the updates, and knows all other examples",
    "model": "who has the last public model",
}
LACKING = {
    "no round": "the phone was in no round whose plan and model can be had",
    "few": "too few examples",
    "large": "the model is too large for this machine",
    "mechanism": "the attack is for tasks that protect single examples with new noise in every round",
    "none held out": "the task keeps no example out of the training",
    "no model": "no public model can be had",
}


def attack(
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    task: TaskNumber,
    household: Household = HOUSEHOLD,
    data: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="the examples; else those that are made of readings"),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Plays attackers of the updates of one task's phone, while it does not run. Nothing is sent, and nothing is kept.

    Each is shown examples of which half were learned from, and guesses for each whether it was.
    """
    from rich.console import Console

    from client_agent.attacks.own_phone import Attacked, attack_phone
    from client_agent.data.loader import FileLoader
    from client_agent.followed_task import DocumentAbsentError, FollowedTask
    from client_agent.household_folder import JOURNAL, HouseholdFolder
    from client_agent.journal import AgentJournal
    from client_agent.privacy.held_out import Coins, HouseholdSecret
    from client_agent.randomness import SystemRandomness
    from client_agent.web.example_files import MAX_DATA_BYTES, ExampleFiles
    from protocol.messages.following import NO_CLIENT
    from protocol.task.documents import Absent, Kind
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.reader import EthereumReader
    from storage.records.journal import Journal

    folder = HouseholdFolder(household)
    path = folder.task_folder(ledger, task) / JOURNAL
    if not path.exists():
        raise typer.BadParameter(f"{path.parent}: no phone of task {task} keeps its state here")
    journal = AgentJournal(Journal(path))
    try:
        sealed, rung = frozenset(journal.sealed), journal.rung
    finally:
        journal.close()
    opened = open_store(store)
    reader = EthereumReader(rpc_url, ledger.ledger, chain_id=ledger.chain_id, first_block=ledger.first_block)
    followed = FollowedTask(reader, opened, task, NO_CLIENT)
    followed.refresh()
    state = followed.read(0, Kind.SPEC)
    if isinstance(state.spec, Absent):
        raise DocumentAbsentError(Kind.SPEC, state.spec)
    examples = FileLoader(data or ExampleFiles(folder.path, ()).for_task(state.spec), MAX_DATA_BYTES).load()
    randomness = SystemRandomness()
    coins = Coins(HouseholdSecret(lambda: Journal(folder.coins, wait=True), randomness))
    phone = Attacked(state, state.spec, opened, sealed, rung, examples, coins.held_out)
    found = attack_phone(phone, randomness, time.monotonic)
    Console().print(table_of(found))
    for line in lines_of(found):
        typer.echo(line)
    if json_file is not None:
        json_file.write(json.dumps([_plain(one) for one in found], indent=1, sort_keys=True).encode() + b"\n")


def table_of(attacks: tuple[Attack, ...]) -> Table:
    from rich.table import Table

    table = Table(title="Right, of 100")
    for name in ("who", "right", "95 of 100 between", "allowed at most", "verdict"):
        table.add_column(name, justify="left" if name in ("who", "verdict") else "right")
    for one in attacks:
        if one.share is None:
            continue
        between = f"{100 * one.share.low:.0f} and {100 * one.share.high:.0f}"
        most = "-" if one.most is None else f"{min(99.0, 100 * one.most):.0f}"
        verdict = {None: "nothing is promised", True: "within the promise", False: "MORE than promised"}[one.within]
        table.add_row(WHO[one.observer], f"{100 * one.share.right:.0f}", between, most, verdict)
    return table


def lines_of(attacks: tuple[Attack, ...]) -> Iterator[str]:
    """What each attack and each bound stands on."""
    for one in attacks:
        if one.lack is not None:
            yield f"{WHO[one.observer]}: cannot be measured: {LACKING[one.lack]}"
            continue
        rehearsals = f", {one.rehearsals} rehearsals" if one.rehearsals else ""
        yield f"{WHO[one.observer]}: {one.examples} examples, {one.rounds} rounds{rehearsals}"
        if one.figure is not None:
            yield f"  allowed by {one.figure}"


def _plain(one: Attack) -> dict[str, Any]:
    facts = asdict(one)
    return {**facts, "within": one.within, "figure": None if one.figure is None else str(one.figure)}
