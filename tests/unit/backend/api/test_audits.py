"""Audits on demand: one at a time for a task, kept whatever happens to the server, every FAIL in plain language."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from backend.api.app import ApiOptions
from backend.api.audit_runs import MOST_KEPT, AuditRuns, result_of
from backend.problem import RequestError
from protocol.audit.report import CHECKS, Report
from protocol.errors import HearthError, MalformedError, Party, VerificationError
from scripts.commands.auditor import as_json
from tests.unit.backend.api.scene_api import Api, played
from tests.unit.backend.api.serving import PATIENCE

NOW = 1_800_000_000


def told(*failing: HearthError) -> bytes:
    """What the command writes of two checks that hold and some that do not."""
    report = Report()
    for number in (1, 12):
        with report.check(number, "round 1"):
            pass
    for error in failing:
        with report.check(12, "round 2"):
            raise error
    return json.dumps(as_json(report), indent=2).encode()


class Auditing:
    """An auditor that answers when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[bytes | HearthError] = []
        self.evidence = b"{}"
        self.go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.runs = AuditRuns(folder, self.audit, lambda: NOW)

    def audit(self, task: int, evidence: Path) -> bytes:
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE)
        answer = self.answers.pop(0)
        if isinstance(answer, HearthError):
            raise answer
        evidence.write_bytes(self.evidence)
        return answer

    def finish(self, answer: bytes | HearthError) -> None:
        """Every audit that runs, one after the other."""
        self.answers.append(answer)
        self.go.release()
        for thread in threading.enumerate():
            if thread.name.startswith("audit "):
                thread.join(PATIENCE)


def test_over_http(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path / "audits")
    api = Api(played().scene, ApiOptions(audits=auditing.runs))
    first = api.client.post("/api/v1/tasks/1/audits")
    assert (first.status_code, first.headers["location"]) == (202, "/api/v1/tasks/1/audits/1")
    again = api.client.post("/api/v1/tasks/1/audits")
    assert (again.status_code, again.json()) == (202, first.json()), "one at a time"
    assert api.client.get(first.headers["location"]).json()["state"] == "running"
    auditing.finish(told(VerificationError("the ciphertext of 0x01 is another one", fault=Party.EDGE_SERVER)))
    done: dict[str, Any] = api.client.get(first.headers["location"]).json()
    assert (done["state"], done["verdict"], done["omitted"]) == ("done", "FAIL", 0)
    assert done["checks"] == [
        {"check": 1, "claim": CHECKS[1], "passed": 1, "failed": 0, "unknown": 0},
        {"check": 12, "claim": CHECKS[12], "passed": 1, "failed": 1, "unknown": 0},
    ]
    (finding,) = done["findings"]
    assert finding["at_fault"] == "edge server"
    assert finding["sentence"] == (
        f"Round 2: {CHECKS[12]}. This does not hold: the ciphertext of 0x01 is another one. At fault: edge server."
    )
    (listed,) = api.client.get("/api/v1/tasks/1/audits").json()["items"]
    assert listed == {name: done[name] for name in done.keys() - {"checks", "findings", "omitted"}}
    for path in ("/api/v1/tasks/1/audits/2", "/api/v1/tasks/2/audits", "/api/v1/tasks/2/audits/1"):
        assert api.client.get(path).status_code == 404
    assert api.client.post("/api/v1/tasks/2/audits").status_code == 404


def test_a_server_without_audits_says_so() -> None:
    assert played().client.post("/api/v1/tasks/1/audits").json()["code"] == "E_NOT_FOUND"


def test_two_audits_of_different_tasks_at_most(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path)
    auditing.runs.start(1), auditing.runs.start(2)
    with pytest.raises(RequestError, match="too many audits"):
        auditing.runs.start(3)
    auditing.go.release()
    auditing.answers.append(told())
    auditing.finish(told())
    assert auditing.runs.start(3).audit == 1
    auditing.finish(told())


def test_a_run_that_a_kill_ended_is_told(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path)
    auditing.runs.start(1)
    again = AuditRuns(tmp_path, auditing.audit, lambda: NOW)
    assert again.run(1, 1).state == "interrupted"
    assert [run.state for run in again.runs(1)] == ["interrupted"]
    assert again.start(1).audit == 2
    auditing.go.release()
    auditing.answers.append(told())
    auditing.finish(told())


@pytest.mark.parametrize("answer", [HearthError("no chain", code="E_LEDGER"), b"{}", b"nothing", b'{"results": [1]}'])
def test_an_audit_without_a_verdict_has_failed(tmp_path: Path, answer: Any) -> None:
    auditing = Auditing(tmp_path)
    auditing.runs.start(1)
    auditing.finish(answer)
    run = auditing.runs.run(1, 1)
    assert (run.state, run.verdict) == ("failed", None)
    assert run.code == ("E_LEDGER" if isinstance(answer, HearthError) else "E_MALFORMED")
    assert auditing.runs.start(1).audit == 2, "the next one may run"
    auditing.finish(told())


def test_old_runs_are_forgotten(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path)
    for _ in range(MOST_KEPT + 2):
        auditing.runs.start(1)
        auditing.finish(told())
    assert [run.audit for run in auditing.runs.runs(1)] == list(range(MOST_KEPT + 2, 2, -1))


def test_evidence_is_a_file_of_its_own(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path)
    api = Api(played().scene, ApiOptions(audits=auditing.runs))
    where = "/api/v1/tasks/1/audits/1/evidence"
    auditing.evidence = b'{"entries":[]}' * 50_000  # several pieces
    auditing.runs.start(1)
    assert api.client.get(where).json()["code"] == "E_NOT_FOUND", "nothing of a run that goes on"
    auditing.finish(told())
    found = api.client.get(where)
    assert found.content == auditing.evidence and found.headers["content-type"] == "application/json"
    assert 'filename="task-1-audit-1-evidence.json"' in found.headers["content-disposition"]
    assert api.client.get(where, headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    assert api.client.get("/api/v1/tasks/1/audits/1").json()["evidence_bytes"] == len(auditing.evidence)
    assert api.client.get("/api/v1/tasks/1/audits").json()["items"][0]["evidence_bytes"] == len(auditing.evidence)
    for path in ("/api/v1/tasks/1/audits/2/evidence", "/api/v1/tasks/2/audits/1/evidence"):
        assert api.client.get(path).status_code == 404


def test_evidence_goes_with_its_audit_and_when_there_is_no_room(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path)
    (tmp_path / ".partial-left").write_bytes(b"by a kill")
    auditing.runs = AuditRuns(tmp_path, auditing.audit, lambda: NOW)
    for _ in range(MOST_KEPT + 2):
        auditing.runs.start(1)
        auditing.finish(told())
    assert len(list(tmp_path.iterdir())) == 2 * MOST_KEPT
    with mock.patch("backend.api.audit_runs.MOST_EVIDENCE_BYTES", 3 * len(auditing.evidence)):
        auditing.runs.start(2)
        auditing.finish(told())
    kept = [run.audit for task in (1, 2) for run in auditing.runs.runs(task) if run.evidence_bytes is not None]
    assert kept == [MOST_KEPT + 2, MOST_KEPT + 1, 1], "the last ones"
    assert len(list(auditing.runs.runs(1))) == MOST_KEPT, "results stay"


def test_a_result_that_is_too_long_is_cut() -> None:
    with mock.patch("backend.api.audit_runs.MOST_FINDINGS", 1):
        found = result_of(told(VerificationError("one"), VerificationError("other")))
    assert (len(found["findings"]), found["omitted"]) == (1, 1)  # type: ignore[arg-type]


def test_a_damaged_file_is_no_audit(tmp_path: Path) -> None:
    (tmp_path / "task-1-audit-1.json").write_bytes(b"{")
    with pytest.raises(RequestError, match="no audit 1"):
        AuditRuns(tmp_path, lambda _, __: b"", lambda: NOW).run(1, 1)


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(MalformedError):
        result_of(json.dumps({"verdict": "MAYBE", "results": []}).encode())
