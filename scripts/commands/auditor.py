"""The auditor: evidence from an RPC endpoint, documents from a content store, all checks; nothing else is believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocol.audit.audit import audit_task
from protocol.audit.breaches import find_breaches
from protocol.audit.evidence import MissingEvidenceError
from protocol.audit.report import Report, Status
from storage.content.interface import ContentStore
from storage.evidence import fetch_from, published_codes, read_evidence, read_state
from storage.ledger.interface import LedgerError, LedgerReader, TransactionRevertedError
from storage.ledger.proof_file import ProofFile
from storage.ledger.proofs import proof_of

EXIT_CODES: Final = {Status.PASS: 0, Status.FAIL: 1, Status.UNKNOWN: 3}


def run_audit(
    ledger: LedgerReader, store: ContentStore, task: int, accuse: Callable[[ProofFile], None] | None = None
) -> Report:
    """All lines. An endpoint that cannot or will not answer leaves one, UNKNOWN.

    ``accuse`` is handed what the ledger's judge can convict somebody of; each such breach fails a check, too.
    """
    try:
        evidence = read_evidence(ledger, task)
    except (LedgerError, TransactionRevertedError) as error:
        report = Report()
        with report.check(1, "ledger"):
            raise MissingEvidenceError(f"the endpoint's answers: {error}") from error
        return report
    state = read_state(store, evidence)
    report = audit_task(evidence, state, fetch_from(store), published_codes())
    if accuse is not None and report.status is Status.FAIL:
        for breach in find_breaches(evidence.domain, state):
            accuse(proof_of(breach))
    return report


def as_json(report: Report) -> dict[str, Any]:
    """``checks`` counts evaluated (check, object) pairs."""
    return {
        "verdict": str(report.status),
        "checks": len(report.lines),
        "failed": report.count(Status.FAIL),
        "unknown": report.count(Status.UNKNOWN),
        "lines": [str(line) for line in report.lines],
    }


def summary(report: Report) -> str:
    failed, unknown = report.count(Status.FAIL), report.count(Status.UNKNOWN)
    return f"{report.status}: {len(report.lines)} checks, {failed} failed, {unknown} unknown"
