"""``hearth audit``: one task re-derived from chain and content alone; exit 0 pass, 1 fail, 2 usage, 3 unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from protocol.identifiers import from_hex
from scripts.commands.options import JsonFile, Ledger, Store, TaskNumber


def audit(
    ledger: Ledger,
    store: Store,
    task: TaskNumber,
    rpc_url: Annotated[str | None, typer.Option(envvar="HEARTH_RPC_URL", help="the chain's JSON-RPC endpoint")] = None,
    evidence: Annotated[Path | None, typer.Option(help="saved answers of the chain, in place of --rpc-url")] = None,
    save_evidence: Annotated[Path | None, typer.Option(help="save the chain's answers here")] = None,
    json_file: JsonFile = None,
) -> None:
    """Recomputes every round, score and payout of a task; prints one line for each check."""
    from scripts.audit import EXIT_CODES, as_json, print_report, run_audit
    from storage.content.open_store import open_store
    from storage.ledger.reader import EthereumReader
    from storage.ledger.replay import RecordingProvider, ReplayProvider
    from storage.ledger.rpc import JsonRpcProvider

    if (rpc_url is None) == (evidence is None):
        raise typer.BadParameter("exactly one of --rpc-url and --evidence")
    provider = JsonRpcProvider(rpc_url) if rpc_url is not None else ReplayProvider(_existing(evidence))
    recorder = RecordingProvider(provider) if save_evidence is not None else None
    reader = EthereumReader(recorder or provider, from_hex(ledger.lower(), 20))
    report = run_audit(reader, open_store(store), task)
    print_report(report, typer.echo)
    if recorder is not None and save_evidence is not None:
        recorder.save(save_evidence)
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(report), indent=2) + "\n")
    raise typer.Exit(EXIT_CODES[report.status])


def _existing(path: Path | None) -> Path:
    if path is None or not path.is_file():
        raise typer.BadParameter(f"{path}: no such evidence")
    return path
