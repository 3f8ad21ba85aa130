"""``hearth audit``: one task re-derived from chain and content alone; exit 0 pass, 1 fail, 2 usage, 3 unknown,
4 unverified endpoint.

``hearth dispute``: what the ledger's judge makes of a proof that an audit, or a phone, has written.
"""

from __future__ import annotations

import json
import re
from dataclasses import astuple
from pathlib import Path
from typing import Annotated

import typer

from protocol.identifiers import Digest, to_hex
from protocol.text import shown
from scripts.commands.options import (
    MAX_GAS_PRICE,
    JsonFile,
    Keystore,
    Ledger,
    MaxGasPrice,
    PasswordFile,
    RpcUrl,
    Store,
    TaskNumber,
    open_ledger,
)


def audit(
    ledger: Ledger,
    store: Store,
    task: TaskNumber,
    rpc_url: Annotated[str | None, typer.Option(envvar="HEARTH_RPC_URL", help="the chain's JSON-RPC endpoint")] = None,
    evidence: Annotated[Path | None, typer.Option(help="saved answers of the chain, in place of --rpc-url")] = None,
    save_evidence: Annotated[Path | None, typer.Option(help="save the chain's answers here")] = None,
    block: Annotated[
        str | None, typer.Option(metavar="HASH", help="audit as of this block, whose hash you have from elsewhere")
    ] = None,
    other_rpc_url: Annotated[
        list[str] | None,
        typer.Option(help="another endpoint of the chain, which must agree about the block; repeatable"),
    ] = None,
    json_file: JsonFile = None,
    proofs: Annotated[
        Path | None, typer.Option(help="folder for proofs of what the ledger can judge; send them with hearth dispute")
    ] = None,
    authority: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="a key authority to ask what it issued, which may show who opened a sum"),
    ] = None,
) -> None:
    """Recomputes every round, score and payout of a task; prints one line for each check.

    What the endpoint shows is proven against the state of a block that --block names or that all endpoints agree on.
    """
    from scripts.commands.auditor import EXIT_CODES, Endpoint, as_json, audit_endpoint, summary
    from scripts.commands.issued_keys import ask_authorities
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.replay import RecordingProvider, ReplayProvider
    from storage.ledger.ethereum.rpc import JsonRpcProvider
    from storage.ledger.proof_file import ProofFile, write_proof

    if (rpc_url is None) == (evidence is None):
        raise typer.BadParameter("exactly one of --rpc-url and --evidence")
    provider = JsonRpcProvider(rpc_url) if rpc_url is not None else ReplayProvider(_existing(evidence))
    recorder = RecordingProvider(provider) if save_evidence is not None else None
    others = tuple(JsonRpcProvider(url) for url in other_rpc_url or ())
    endpoint = Endpoint(recorder or provider, ledger, others, _hash(block) if block is not None else None)
    found: list[ProofFile] = []
    issued = ask_authorities(authority or (), task)
    report = audit_endpoint(endpoint, open_store(store), task, found.append if proofs is not None else None, issued)
    for line in (*report.lines, summary(report)):
        typer.echo(line)
    if proofs is not None:
        for breach in found:
            typer.echo(f"proof: {write_proof(proofs, *astuple(breach))}")
    if recorder is not None and save_evidence is not None:
        recorder.save(save_evidence)
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(report), indent=2) + "\n")
    raise typer.Exit(EXIT_CODES[report.status])


def dispute(
    proof_file: Annotated[Path, typer.Argument(help="as hearth audit --proofs or a phone wrote it")],
    rpc_url: RpcUrl,
    ledger: Ledger,
    keystore: Keystore,
    password_file: PasswordFile,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
) -> None:
    """Sends a proof of a breach from any account, which gets half of what is left of the bond once the round's clients
    have theirs."""
    from protocol.messages.chain import BondForfeited, RoundFrozen
    from storage.ledger.credits import collect
    from storage.ledger.interface import TransactionRevertedError
    from storage.ledger.proof_file import read_proof

    found = read_proof(proof_file)
    chain = open_ledger(rpc_url, ledger, keystore, password_file, max_gas_price)
    try:
        receipt = chain.dispute(found.proof)
    except TransactionRevertedError as refusal:
        facts = (to_hex(fact) if isinstance(fact, bytes) else str(fact) for fact in refusal.arguments)
        typer.echo(shown(f"refused: {refusal.name}({', '.join(facts)})"))
        raise typer.Exit(1) from refusal
    for event in receipt.logs:
        if isinstance(event, RoundFrozen):
            typer.echo(f"round {event.round} of task {event.task} is frozen: who committed in it is compensated")
        elif isinstance(event, BondForfeited):
            lost, share = event.amount, event.share
            typer.echo(f"{to_hex(event.holder)} lost its role and its bond of {lost}: {share} of it are yours")
            typer.echo(f"received {collect(chain, event.task)}")
    typer.echo(f"gas {receipt.gas_used}")


def _hash(text: str) -> Digest:
    if not re.fullmatch("0x[0-9a-f]{64}", text):
        raise typer.BadParameter(f"{text}: not the hash of a block")
    return bytes.fromhex(text[2:])


def _existing(path: Path | None) -> Path:
    if path is None or not path.is_file():
        raise typer.BadParameter(f"{path}: no such evidence")
    return path
