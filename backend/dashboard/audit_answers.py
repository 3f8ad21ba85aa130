"""What the dashboard reads of the API's audits."""

from __future__ import annotations

from typing import Literal

from backend.dashboard.answers import Answer, Instant


class CheckCount(Answer):
    check: int
    claim: str
    passed: int
    failed: int
    unknown: int


class Finding(Answer):
    """``detail`` is free text, in English; what is around it has a number or a name."""

    check: int
    subject: str
    result: str
    claim: str
    detail: str
    at_fault: str | None


class AuditRun(Answer):
    task: int
    audit: int
    state: Literal["running", "done", "failed", "interrupted"]
    begun: Instant
    ended: Instant | None
    verdict: str | None
    code: str | None
    evidence_bytes: int | None


class Audit(AuditRun):
    checks: tuple[CheckCount, ...]
    findings: tuple[Finding, ...]
    omitted: int


class AuditList(Answer):
    items: tuple[AuditRun, ...]
