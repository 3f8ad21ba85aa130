"""``hearth audit``: one task re-derived from chain and content alone; exit 0 pass, 1 fail, 2 usage, 3 unknown,
4 unverified endpoint.

``hearth dispute``: what the ledger's judge makes of a proof that an audit, or a phone, has written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    look_at_time,
    open_ledger,
    telling_clock,
    url_option,
)
from scripts.commands.output_file import OutputFile, provable_folder

if TYPE_CHECKING:
    from protocol.domain import Domain
    from storage.ledger.ethereum.replay import RecordingProvider
    from storage.ledger.ethereum.rpc import NodeProvider
    from storage.ledger.proof_file import ProofFile


def audit(
    ledger: Ledger,
    store: Store,
    task: TaskNumber,
    rpc_url: Annotated[str | None, url_option("the chain's JSON-RPC endpoint", envvar="HEARTH_RPC_URL")] = None,
    evidence: Annotated[Path | None, typer.Option(help="saved answers of the chain, in place of --rpc-url")] = None,
    save_evidence: Annotated[
        OutputFile | None, typer.Option(parser=OutputFile, metavar="FILE", help="save the chain's answers here")
    ] = None,
    block: Annotated[
        str | None, typer.Option(metavar="HASH", help="audit as of this block, whose hash you have from elsewhere")
    ] = None,
    other_rpc_url: Annotated[
        list[str] | None,
        url_option(
            "another endpoint of the chain, which must agree about the block; repeatable",
            envvar="HEARTH_OTHER_RPC_URL",
        ),
    ] = None,
    json_file: JsonFile = None,
    proofs: Annotated[
        Path | None,
        typer.Option(
            parser=provable_folder,
            metavar="FOLDER",
            help="folder for proofs of what the ledger can judge; send them with hearth dispute",
        ),
    ] = None,
    authority: Annotated[
        list[str] | None,
        url_option("a key authority to ask what it issued, which may show who opened a sum"),
    ] = None,
) -> None:
    """Recomputes every round, score and payout of a task; prints one line for each check.

    What the endpoint shows is proven against the state of a block that --block names or that all endpoints agree on.
    """
    from scripts.commands.auditor import EXIT_CODES, Endpoint, as_json, audit_endpoint, nothing_read, summary
    from scripts.commands.issued_keys import ask_authorities
    from scripts.commands.progress import Progress
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.replay import RecordingProvider, ReplayProvider
    from storage.ledger.ethereum.rpc import JsonRpcProvider
    from storage.ledger.interface import LedgerError
    from storage.ledger.proof_file import ProofFile

    if (rpc_url is None) == (evidence is None):
        raise typer.BadParameter("exactly one of --rpc-url and --evidence")
    content, found = open_store(store), list[ProofFile]()
    named = _hash(block) if block is not None else None
    others = tuple(JsonRpcProvider(url) for url in other_rpc_url or ())
    node: NodeProvider | None = JsonRpcProvider(rpc_url) if rpc_url is not None else None
    if node is not None:
        _check_start(node, ledger)
    recorder = None
    try:
        if node is None:
            node = replay = ReplayProvider(_existing(evidence))
            ledger = replace(ledger, first_block=replay.first_block)
    except LedgerError as error:
        report = nothing_read(error)
    else:
        with Progress() as progress:
            issued = ask_authorities(authority or (), task)
            node = progress.of_node(node)
            recorder = RecordingProvider(node) if save_evidence is not None else None
            endpoint = Endpoint(recorder or node, ledger, others, named)
            accuse = found.append if proofs is not None else None
            report = audit_endpoint(endpoint, progress.of_store(content), task, accuse, issued, progress.tell)
    for line in (*report.lines, summary(report)):
        typer.echo(line)
    if json_file is not None:
        json_file.write(json.dumps(as_json(report), indent=2).encode() + b"\n")
    if recorder is not None and save_evidence is not None:
        _save(recorder, save_evidence)
    if proofs is not None:
        _write_proofs(proofs, found)
    raise typer.Exit(EXIT_CODES[report.status])


def _check_start(node: NodeProvider, ledger: Domain) -> None:
    """Whoever reads from too late a block would find fault with an honest task. A clock that is off finds none, and is
    said.

    An endpoint that does not answer, or has no such ledger, is the audit's own matter.
    """
    from storage.ledger.ethereum.reader import EthereumReader
    from storage.ledger.interface import LedgerError, WrongContractError

    reader = EthereumReader(
        node, ledger.ledger, chain_id=ledger.chain_id, clock=telling_clock(), first_block=ledger.first_block
    )
    try:
        reader.verify_contract()
    except WrongContractError as error:
        if ledger.first_block:
            raise typer.BadParameter(f"--ledger: {error.args[0]}") from error
    except LedgerError:
        return
    look_at_time(reader)


def _save(recorder: RecordingProvider, file: OutputFile) -> None:
    """Raises OutputError: the verdict is told by then, and its exit code must not be taken for another one."""
    from scripts.commands.outcome import OutputError
    from storage.ledger.interface import LedgerError

    try:
        file.write(recorder.content())
    except LedgerError as error:
        raise OutputError(f"{file}: {error.args[0]}") from error


def _write_proofs(folder: Path, found: Sequence[ProofFile]) -> None:
    """The verdict stands whether or not there is a proof that the ledger can take. Raises OutputError, once all that
    can be written is."""
    from scripts.commands.outcome import OutputError
    from storage.ledger.proof_file import ProofFileError, write_proof

    failed: OSError | None = None
    for breach in found:
        try:
            typer.echo(f"proof: {write_proof(folder, *astuple(breach))}")
        except ProofFileError as error:
            what = f"{breach.kind} of {to_hex(breach.culprit)} in round {breach.round}"
            typer.echo(shown(f"no proof of {what}: {error.args[0]}"))
            failed = failed or (error.__cause__ if isinstance(error.__cause__, OSError) else None)
    if failed is not None:
        raise OutputError(f"{folder}: {failed.strerror}") from failed


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
