"""An audit as a process of its own gives a result whatever becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.api.audit_runs import Finding, result_of
from scripts.commands.audit_process import AuditRunError, auditing
from tests.samples import DOMAIN

NOWHERE = "http://127.0.0.1:9"


def test_a_chain_that_is_away_leaves_an_audit_with_its_reason(tmp_path: Path) -> None:
    found = result_of(auditing(NOWHERE, DOMAIN, str(tmp_path))(1))
    assert (found["verdict"], found["omitted"]) == ("UNVERIFIED ENDPOINT", 0)
    findings: list[Finding] = found["findings"]  # type: ignore[assignment]
    assert any(finding.sentence.startswith("Ledger: ") for finding in findings)


def test_an_audit_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(AuditRunError, match="longer than 0 s"):
        auditing(NOWHERE, DOMAIN, str(tmp_path), seconds=0.001)(1)


def test_an_audit_that_cannot_begin_has_no_result(tmp_path: Path) -> None:
    with pytest.raises(AuditRunError, match="wrote nothing"):
        auditing("no URL", DOMAIN, str(tmp_path))(1)
