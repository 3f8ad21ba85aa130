"""``hearth doctor``: what is wrong with this machine and with what it is to talk to, and what mends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.domain import Domain
from scripts.commands.database_option import DatabaseAddress, DatabasePasswordFile, database_of
from scripts.commands.options import JsonFile, Ledger
from scripts.commands.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.doctor.subject import Subject
    from scripts.doctor.verdict import Finding


def doctor(
    rpc_url: Annotated[str | None, typer.Option(envvar="HEARTH_RPC_URL", help="the chain's JSON-RPC endpoint")] = None,
    ledger: Annotated[Domain | None, Ledger.__metadata__[0]] = None,
    store: Annotated[str | None, typer.Option(envvar="HEARTH_STORE", help="folder, or RPC URL of a Kubo node")] = None,
    edge: Annotated[list[str] | None, typer.Option(help="URL of an edge server; repeat for each")] = None,
    authority: Annotated[list[str] | None, typer.Option(help="URL of a key authority; repeat for each")] = None,
    keystore: Annotated[Path | None, typer.Option(help="account as keystore V3 file")] = None,
    password_file: Annotated[Path | None, typer.Option(help="file with the keystore's password")] = None,
    folder: Annotated[list[Path] | None, typer.Option(help="where a role keeps its state; repeat for each")] = None,
    write: Annotated[bool, typer.Option("--write", help="put a document into the store and read it back")] = False,
    database: DatabaseAddress = None,
    database_password_file: DatabasePasswordFile = None,
    task: Annotated[int | None, typer.Option(min=1, help="whose servers and content are looked at")] = None,
    pin_url: Annotated[
        list[str] | None, typer.Option(metavar="STORE", help="content store that keeps the task too; repeat for each")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="objects of the task to read back from each store")] = 20,
    seed: Annotated[int, typer.Option(help="which ones; the same seed chooses the same ones")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Say what is wrong here and how to mend it: this machine, and of chain, store, servers and account what is named.

    One line each: ok, warn, fail, or - for what was not looked at. Ends with 1 when something fails.
    """
    from scripts.doctor.subject import Subject
    from scripts.doctor.verdict import Grade

    subject = Subject(
        rpc_url, ledger, store, tuple(edge or ()), tuple(authority or ()), keystore, password_file, tuple(folder or ()),
        write, database_of(database, database_password_file), task, tuple(pin_url or ()), sample, seed,
    )  # fmt: skip
    findings = []
    for finding in _findings(subject):
        typer.echo(finding.line)
        findings.append(finding)
    counts = {grade: sum(finding.verdict.grade is grade for finding in findings) for grade in Grade}
    typer.echo(", ".join(f"{count} {grade}" for grade, count in counts.items() if grade is not Grade.SKIPPED))
    if json_file is not None:
        content = {"findings": [finding.as_json() for finding in findings]}
        json_file.write((json.dumps(content, indent=1) + "\n").encode())
    raise typer.Exit(Outcome.FAILED if counts[Grade.FAIL] else Outcome.OK)


def _findings(subject: Subject) -> Iterator[Finding]:
    """In the order in which one thing needs another."""
    from scripts.doctor.account import account_findings
    from scripts.doctor.chain import chain_findings
    from scripts.doctor.database import database_findings
    from scripts.doctor.machine import machine_findings
    from scripts.doctor.network import network_findings
    from scripts.doctor.servers import Answer, clock, server_findings
    from scripts.doctor.store import store_findings
    from scripts.doctor.task import task_findings
    from scripts.doctor.verdict import examined

    blocks, answers = list[int](), list[Answer]()
    yield from machine_findings(subject)
    yield from network_findings(subject)
    yield from chain_findings(subject, blocks)
    yield from store_findings(subject)
    yield from server_findings(subject, answers)
    yield from account_findings(subject)
    yield from database_findings(subject)
    yield from task_findings(subject, answers)
    yield examined("clock", lambda: clock(subject.now(), blocks, answers), "set it (NTP)")
