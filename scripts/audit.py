"""The auditor's I/O: one task's evidence from an RPC endpoint and a content store, the checks, their lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from eth_hash.auto import keccak

from contracts import artifact
from protocol.audit.audit import audit_task
from protocol.audit.evidence import Absence, ChainEvidence, Fetch, MissingEvidenceError
from protocol.audit.report import Report, Status
from protocol.content.cid import CHUNK_BYTES
from protocol.domain import Domain, uint256
from protocol.identifiers import Address, Digest
from protocol.messages.chain import Enrolled, ReputationRules, RoundOpened, TaskPosted
from protocol.signing import domain_separator
from protocol.version import PROTOCOL_NAME, PROTOCOL_VERSION
from scripts.breaches import find_breaches
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentStore,
    ContentTooLargeError,
    get_document,
)
from storage.ledger.interface import LedgerError, LedgerReader, TransactionRevertedError
from storage.ledger.proof_file import ProofFile

EXIT_CODES = {Status.PASS: 0, Status.FAIL: 1, Status.UNKNOWN: 3}


@dataclass(frozen=True)
class AuditFetch:
    """Keeps nothing: the audit asks for each object once, and a round's ciphertexts may not fit into memory."""

    store: ContentStore

    def __call__(self, digest: Digest, max_bytes: int, chunk_bytes: int | None) -> bytes | Absence:
        try:
            return get_document(self.store, digest, max_bytes, chunk_bytes or CHUNK_BYTES)
        except ContentMissingError:
            return Absence.MISSING
        except (ContentCorruptError, ContentTooLargeError):
            return Absence.CORRUPT


def gather_evidence(ledger: LedgerReader, task: int) -> ChainEvidence:
    """Everything the chain shows of one task. Raises LedgerError when the endpoint cannot or will not answer."""
    events = tuple(ledger.events())
    task_view = ledger.task(task)
    task_count = ledger.task_count()
    posts = [e for e in events if isinstance(e, TaskPosted)]
    views = {number: ledger.task(number) for number in range(1, min(task_count, len(posts)) + 1)}
    listed = [holder for e in posts if e.task == task for holder in (*e.terms.edge_servers, *e.terms.authorities)]
    clients = sorted({e.client for e in events if isinstance(e, Enrolled) and e.task == task})
    opened = [e.round for e in events if isinstance(e, RoundOpened) and e.task == task]
    numbers = sorted({*opened, *range(1, min(task_view.last_round, len(events)) + 1)})
    return ChainEvidence(
        domain=ledger.domain,
        task=task,
        codes=(ledger.code(), ledger.code(ledger.judge())),
        judge=ledger.judge(),
        balance=ledger.balance(ledger.domain.ledger, task_view.token),
        task_count=task_count,
        held={n: view.escrow + view.deposits for n, view in views.items() if view.token == task_view.token},
        events=events,
        timestamps={block: ledger.block_timestamp(block) for block in sorted({e.block for e in events})},
        task_view=task_view,
        rounds={number: ledger.round(task, number) for number in numbers},
        enrolments={client: ledger.enrolment(task, client) for client in clients},
        directs={(n, client): ledger.has_committed_directly(task, n, client) for n in numbers for client in clients},
        standings={client: ledger.standing(client) for client in clients},
        bonds={holder: ledger.bond(task, holder) for holder in listed},
        rules=ledger.rules(),
    )


def run_audit(
    ledger: LedgerReader, store: ContentStore, task: int, accuse: Callable[[ProofFile], None] | None = None
) -> Report:
    """All lines. An endpoint that cannot or will not answer leaves one, UNKNOWN.

    ``accuse`` is handed what the ledger's judge can convict somebody of; each such breach fails a check, too.
    """
    try:
        evidence = gather_evidence(ledger, task)
    except (LedgerError, TransactionRevertedError) as error:
        report = Report()
        with report.check(1, "ledger"):
            raise MissingEvidenceError(f"the endpoint's answers: {error}") from error
        return report
    fetch: Fetch = AuditFetch(store)
    codes = expected_codes(evidence.codes, evidence.domain, evidence.judge, evidence.rules)
    report = audit_task(evidence, fetch, codes)
    if accuse is not None and report.status is Status.FAIL:
        for breach in find_breaches(evidence, fetch):
            accuse(breach)
    return report


def expected_codes(
    codes: tuple[bytes, bytes], domain: Domain, judge: Address, rules: ReputationRules
) -> tuple[bytes, bytes]:
    """The published code of ledger and judge as it must stand on chain.

    Constructors fill immutables in (EIP-712 domain, rules, each other's address). Where they stand, the chain's own
    word is taken if it is one that the arguments allow; anything else stays zero and so differs.
    """
    allowed = _immutable_words(domain, judge, rules)
    return _filled("HearthLedger", codes[0], allowed), _filled("HearthJudge", codes[1], allowed)


def _filled(name: str, code: bytes, allowed: set[bytes]) -> bytes:
    published = artifact(name)
    expected = bytearray.fromhex(published["deployedBytecode"].removeprefix("0x"))
    for start, length in published["immutables"]:
        word = code[start : start + length]
        expected[start : start + length] = word if word in allowed else bytes(length)
    return bytes(expected)


def _immutable_words(domain: Domain, judge: Address, rules: ReputationRules) -> set[bytes]:
    texts = [PROTOCOL_NAME.encode(), PROTOCOL_VERSION.encode()]
    short_strings = {text.ljust(31, b"\0") + bytes([2 * len(text)]) for text in texts}
    short_strings |= {text.ljust(31, b"\0") + bytes([len(text)]) for text in texts}
    hashes = {keccak(text) for text in texts} | {uint256(value) for value in astuple(rules)}
    return (
        short_strings
        | hashes
        | {domain_separator(domain), uint256(domain.chain_id), domain.ledger.rjust(32, b"\0")}
        | {judge.rjust(32, b"\0")}
    )


def as_json(report: Report) -> dict[str, Any]:
    """``checks`` counts evaluated (check, object) pairs."""
    return {
        "verdict": str(report.status),
        "checks": len(report.lines),
        "failed": len([line for line in report.lines if line.status is Status.FAIL]),
        "unknown": len([line for line in report.lines if line.status is Status.UNKNOWN]),
        "lines": [str(line) for line in report.lines],
    }


def print_report(report: Report, write: Callable[[str], None]) -> None:
    for line in report.lines:
        write(str(line))
    failed = len([line for line in report.lines if line.status is Status.FAIL])
    unknown = len([line for line in report.lines if line.status is Status.UNKNOWN])
    write(f"{report.status}: {len(report.lines)} checks, {failed} failed, {unknown} unknown")
