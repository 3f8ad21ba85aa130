"""``hearth household backup`` and ``restore``: one encrypted file that a lost phone comes back from (ADR 64)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.domain import Domain
from protocol.identifiers import to_hex
from scripts.commands.options import HOUSEHOLD, Household, Store, ledger_option, telling_clock, url_option

if TYPE_CHECKING:
    from client_agent.restoring import LostTask, Restored
    from storage.ledger.ethereum.reader import EthereumReader

PassphraseFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="its first line is the passphrase; else it is asked for"),
]


def backup(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="file to write; a backup that is there is replaced")],
    household: Household = HOUSEHOLD,
    keystore: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="of an account, outside the household's folder; repeat for each"
        ),
    ] = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, file_okay=False, help="of a task's phone, outside the household's folder; repeat for each"
        ),
    ] = None,
    readings: Annotated[bool, typer.Option("--readings", help="also readings of plugs, and examples")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Writes all that chain and content cannot give back: accounts, keys, budgets, consents, policy, proofs."""
    from client_agent.backup import write_backup
    from client_agent.household_folder import HouseholdFolder
    from client_agent.randomness import SystemRandomness

    passphrase = _passphrase(passphrase_file, new=True)
    summary = write_backup(
        HouseholdFolder(household.expanduser()),
        file,
        passphrase,
        SystemRandomness(),
        folders={name: path for path in folder or () for name in _names_of(path)},
        files=tuple(keystore or ()),
        readings=readings,
    )
    typer.echo(f"{file}: {summary.files} files, {summary.bytes:,} bytes, encrypted. It is good for as long as the")
    typer.echo("passphrase is; whoever has both has this household's accounts and the keys of its updates")


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="what hearth household backup wrote")],
    store: Store,
    rpc_url: Annotated[
        list[str], url_option("the chain's JSON-RPC endpoint; repeat for each chain", envvar="HEARTH_RPC_URL")
    ],
    household: Household = HOUSEHOLD,
    ledger: Annotated[
        Domain | None, ledger_option("also one that the backup does not know: its accounts may have worked there since")
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Puts a household back where none is. Its phones go on after the round that runs, and what the lost ones may have
    spent since the backup is charged, by what the chain shows."""
    from client_agent.randomness import SystemRandomness
    from client_agent.restoring import account_for, restore_backup
    from storage.content.open_store import open_store
    from storage.records.journal import Journal

    content, randomness, told = open_store(store), SystemRandomness(), list[str]()

    def account(restored: Restored) -> None:
        for domain in dict.fromkeys((*restored.domains, *([ledger] if ledger is not None else []))):
            lost = account_for(restored, _reader(domain, rpc_url), content, randomness)
            told.extend(_said(lost))
        told.extend(f"task {one.binding.task} of ledger {to_hex(one.binding.ledger)}" for one in restored.tasks)

    home = restore_backup(
        file,
        household.expanduser(),
        _passphrase(passphrase_file, new=False),
        randomness,
        lambda path: Journal(path, wait=True),
        account,
    )
    typer.echo(f"{home.path}: restored")
    for line in told:
        typer.echo(f"  {line}")
    typer.echo("start its phones as before; never start the lost ones again. hearth budget says what is charged")


def _reader(domain: Domain, urls: list[str]) -> EthereumReader:
    """By the first endpoint of its chain."""
    from client_agent.backup import BackupError
    from storage.ledger.ethereum.reader import EthereumReader
    from storage.ledger.interface import WrongChainError

    for url in urls:
        reader = EthereumReader(
            url, domain.ledger, chain_id=domain.chain_id, first_block=domain.first_block, clock=telling_clock()
        )
        try:
            reader.verify_contract()
        except WrongChainError:
            continue
        return reader
    raise BackupError(f"this household worked on chain {domain.chain_id}: name an endpoint of it, too, with --rpc-url")


def _said(lost: tuple[LostTask, ...]) -> Iterator[str]:
    for one in lost:
        yield (
            f"task {one.task} of ledger {to_hex(one.domain.ledger)} was joined after the backup: its rounds are charged"
            f" and its keys lost. hearth join with its invitation leaves it and claims what {to_hex(one.client)} earned"
        )


def _names_of(folder: Path) -> Iterator[str]:
    """As the household's folder calls it. Raises BackupError where nothing is to be backed up."""
    from client_agent.backup import BackupError
    from client_agent.household_folder import JOURNAL, task_folder_name
    from client_agent.journal import AgentJournal
    from storage.records.journal import Journal

    if not (folder / JOURNAL).is_file():
        raise BackupError(f"{folder}: no phone of a task keeps its state here")
    journal = AgentJournal(Journal(folder / JOURNAL))
    consented = journal.consented
    journal.close()
    if consented is None:
        raise BackupError(f"{folder}: its owner has agreed to nothing yet, so nothing is lost with it")
    binding = consented.binding
    yield task_folder_name(Domain(binding.chain_id, binding.ledger), binding.task)


def _passphrase(file: Path | None, *, new: bool) -> str:
    from storage.ledger.keystore import read_password

    if file is not None:
        return read_password(file)
    asked: str = typer.prompt("Passphrase of the backup", hide_input=True, confirmation_prompt=new)
    return asked
