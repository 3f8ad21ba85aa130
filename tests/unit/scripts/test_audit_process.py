"""An audit as a process of its own gives a result whatever becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.api.audit_runs import Finding, result_of
from scripts.commands.audit_process import AuditRunError, auditing
from storage.ledger.ethereum.replay import ReplayProvider
from tests.samples import DOMAIN

NOWHERE = "http://127.0.0.1:9"


def test_a_chain_that_is_away_leaves_an_audit_with_its_reason(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    found = result_of(auditing(NOWHERE, DOMAIN, str(tmp_path))(1, evidence))
    ReplayProvider(evidence)  # whatever was answered, as hearth audit --evidence takes it
    assert (found["verdict"], found["omitted"]) == ("UNVERIFIED ENDPOINT", 0)
    findings: list[Finding] = found["findings"]  # type: ignore[assignment]
    assert any(finding.sentence.startswith("Ledger: ") for finding in findings)


@pytest.mark.parametrize(
    ("others", "said"), [((), "no other endpoint asked"), ((NOWHERE, NOWHERE), "no block to go by")]
)
def test_other_endpoints_are_asked_who_vouches(tmp_path: Path, others: tuple[str, ...], said: str) -> None:
    found = result_of(auditing(NOWHERE, DOMAIN, str(tmp_path), others=others)(1, tmp_path / "evidence"))
    findings: list[Finding] = found["findings"]  # type: ignore[assignment]
    assert any(said in finding.sentence for finding in findings)


def test_an_audit_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(AuditRunError, match="longer than 0 s"):
        auditing(NOWHERE, DOMAIN, str(tmp_path), seconds=0.001)(1, tmp_path / "evidence")


def test_an_audit_that_cannot_begin_has_no_result(tmp_path: Path) -> None:
    with pytest.raises(AuditRunError, match="wrote nothing"):
        auditing("no URL", DOMAIN, str(tmp_path))(1, tmp_path / "evidence")
    assert list(tmp_path.iterdir()) == []
