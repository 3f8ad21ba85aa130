"""The auditor: evidence from an RPC endpoint, documents from a content store, all checks; nothing else is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from protocol.audit.audit import audit_task
from protocol.audit.breaches import find_breaches
from protocol.audit.evidence import MissingEvidenceError, UnverifiedEndpointError
from protocol.audit.issued_checks import Answer
from protocol.audit.report import Report, Status
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Digest, to_hex
from protocol.text import in_words, shown
from scripts.commands.outcome import Outcome
from storage.content.interface import ContentStore
from storage.evidence import UnlessGone, fetch_from, published_codes, read_evidence, read_state, with_beacons
from storage.ledger.ethereum.anchor import vouched_header
from storage.ledger.ethereum.merkle_patricia import FalseProofError
from storage.ledger.ethereum.proven_reader import ProvenReader
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import NodeProvider
from storage.ledger.interface import LedgerError, LedgerReader, TransactionRevertedError
from storage.ledger.proof_file import ProofFile
from storage.ledger.proofs import proof_of

EXIT_CODES: Final = {
    Status.PASS: Outcome.OK,
    Status.FAIL: Outcome.FAILED,
    Status.UNKNOWN: Outcome.UNKNOWN,
    Status.UNVERIFIED: Outcome.UNVERIFIED,
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Whose word an audit takes for the chain's, and who vouches for it: other endpoints, or a block's hash."""

    provider: NodeProvider
    ledger: Domain
    others: tuple[NodeProvider, ...] = ()
    block: Digest | None = None  # as of which the task is audited


def audit_endpoint(
    endpoint: Endpoint,
    store: ContentStore,
    task: int,
    accuse: Callable[[ProofFile], None] | None = None,
    issued: Mapping[str, Answer] | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Report:
    """All lines, that of the endpoint the last one. What it shows is proven, or the verdict says that it is not."""
    provider, ledger = endpoint.provider, endpoint.ledger
    report = Report()
    try:
        header = vouched_header(provider, endpoint.others, endpoint.block)
        proven = ProvenReader(provider, ledger.ledger, header, chain_id=ledger.chain_id, first_block=ledger.first_block)
        report = run_audit(proven, store, task, accuse, issued, tell)
    except UnverifiedEndpointError as error:
        unproven = EthereumReader(provider, ledger.ledger, chain_id=ledger.chain_id, first_block=ledger.first_block)
        report = run_audit(unproven, store, task, accuse, issued, tell)
        with report.check(27, "endpoint"):
            raise error
    except FalseProofError as error:
        with report.check(27, "endpoint"):
            raise error
    else:
        with report.check(27, "endpoint") as remarks:
            remarks.append(f"proven against the state of block {header.number}, {to_hex(header.hash)}")
    return report


def run_audit(
    ledger: LedgerReader,
    store: ContentStore,
    task: int,
    accuse: Callable[[ProofFile], None] | None = None,
    issued: Mapping[str, Answer] | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Report:
    """All lines. An endpoint that cannot or will not answer leaves one, UNKNOWN.

    ``accuse`` is handed what the ledger's judge can convict somebody of; each such breach fails a check, too.
    ``issued``: what authorities answered that were asked, by URL. ``tell``: hears what is checked next.
    """
    try:
        evidence = read_evidence(ledger, task)
    except (LedgerError, TransactionRevertedError) as error:
        return nothing_read(error)
    content = UnlessGone(store)
    state = read_state(content, evidence)
    try:
        evidence = with_beacons(ledger, evidence, state)
    except (LedgerError, TransactionRevertedError) as error:
        return nothing_read(error)
    report = audit_task(evidence, state, fetch_from(content), published_codes(), issued, tell)
    if content.gone is not None:
        report.without_content(str(content.gone.args[0]))
    if accuse is not None and report.status is Status.FAIL:
        for breach in find_breaches(evidence.domain, state):
            accuse(proof_of(breach))
    return report


def nothing_read(error: HearthError) -> Report:
    """One line, UNKNOWN: of the chain there is nothing to go by."""
    why = str(error.args[0])
    if isinstance(error, TransactionRevertedError):
        facts = [to_hex(fact) if isinstance(fact, bytes) else str(fact) for fact in error.arguments]
        why = f"the ledger does not answer: {' '.join([in_words(error.name), *facts])}"
    report = Report()
    with report.check(1, "ledger"):
        raise MissingEvidenceError(f"the chain cannot be read: {why}") from error
    return report


def as_json(report: Report) -> dict[str, Any]:
    """``checks`` counts evaluated (check, object) pairs; ``results`` has the parts of each of the ``lines``."""
    return {
        "verdict": str(report.status),
        "checks": len(report.lines),
        "failed": report.count(Status.FAIL),
        "unknown": report.count(Status.UNKNOWN),
        "lines": [str(line) for line in report.lines],
        "results": [
            {"check": line.number, "subject": shown(line.subject), "status": line.status, "detail": shown(line.detail)}
            for line in report.lines
        ],
    }


def summary(report: Report) -> str:
    failed, unknown = report.count(Status.FAIL), report.count(Status.UNKNOWN)
    return f"{report.status}: {len(report.lines)} checks, {failed} failed, {unknown} unknown"
