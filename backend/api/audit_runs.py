"""Audits on demand: each a process of its own, one at a time for a task, its result and the chain's answers that it
stands on kept in the server's folder."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

import structlog
from pydantic import Field, ValidationError

from backend.api.fields import Instant, Number, Shown, instant
from backend.problem import RequestError
from protocol.audit.report import CHECKS, Status
from protocol.errors import HearthError, MalformedError, Party
from protocol.strict_json import parse_json
from storage.bounded_file import read_bounded
from storage.durable_file import TEMPORARY_PREFIX, write_file_atomically

MOST_AT_ONCE: Final = 2  # of all tasks: rounds need the processor too
MOST_KEPT: Final = 20  # of a task
MOST_FINDINGS: Final = 1_000
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MOST_EVIDENCE_BYTES: Final = 1024 * 1024 * 1024  # of all audits; who has no room for more loses the oldest ones
EVIDENCE_SUFFIX: Final = ".evidence"
_FAULT: Final = re.compile(r"(?:; | )?\(fault: ([a-z ]+)\)$")
_WORDS: Final = {Status.FAIL: "This does not hold", Status.UNKNOWN: "Nobody can tell"}

# of a task: what `hearth audit --json` writes; leaves at the path what `--save-evidence` does. Raises HearthError
Auditor = Callable[[int, Path], bytes]
Result = Literal["FAIL", "UNKNOWN", "UNVERIFIED ENDPOINT"]
Stage = Literal["running", "done", "failed", "interrupted"]

_log = structlog.get_logger()


class CheckCount(Shown):
    """One of the numbered checks, over everything that it looked at."""

    check: int = Field(ge=1, examples=[12])
    claim: str = Field(examples=["every ciphertext is what its commitment says"])
    passed: Number
    failed: Number
    unknown: Number


class Finding(Shown):
    """A check that did not pass, in plain language."""

    check: int = Field(ge=1, examples=[12])
    subject: str = Field(examples=["round 2"])
    result: Result
    claim: str = Field(examples=["every ciphertext is what its commitment says"])
    detail: str = Field(examples=["the ciphertext of 0x7e5f… is not what its commitment says"])
    at_fault: str | None = Field(examples=["edge server"])
    sentence: str = Field(examples=["Round 2: every ciphertext is what its commitment says. This does not hold: ..."])


class AuditRun(Shown):
    """One run. `verdict` is null until it is done."""

    task: int = Field(ge=1, examples=[1])
    audit: int = Field(ge=1, description="number of the run", examples=[1])
    state: Stage
    begun: Instant
    ended: Instant | None
    verdict: Literal["PASS", "FAIL", "UNKNOWN", "UNVERIFIED ENDPOINT"] | None
    code: str | None = Field(description="why it failed to run", examples=["E_AUDIT_RUN"])
    evidence_bytes: int | None = Field(
        default=None, ge=0, description="of the chain's answers that it stands on; null: none kept", examples=[512_000]
    )


class Audit(AuditRun):
    """One run with what it found."""

    checks: list[CheckCount]
    findings: list[Finding] = Field(description="every check that did not pass; at most 1,000")
    omitted: Number = Field(description="findings beyond these")


class AuditRuns:
    """May be shared by threads. ``now``: seconds of block time."""

    def __init__(self, folder: Path, auditor: Auditor, now: Callable[[], int]) -> None:
        self._folder, self._auditor, self._now = folder, auditor, now
        self._lock = threading.Lock()
        self._running: dict[int, Audit] = {}
        for left in folder.glob(f"{TEMPORARY_PREFIX}*"):  # by a kill
            left.unlink(missing_ok=True)

    def start(self, task: int) -> Audit:
        """The run that goes on for the task, or a new one. Raises RequestError ``E_BUSY``."""
        with self._lock:
            if task in self._running:
                return self._running[task]
            if len(self._running) >= MOST_AT_ONCE:
                raise RequestError("too many audits at once", fault=Party.CLIENT, code="E_BUSY")
            numbers = self._numbers(task)
            run = Audit(
                task=task,
                audit=max(numbers, default=0) + 1,
                state="running",
                begun=instant(self._now()),
                ended=None,
                verdict=None,
                code=None,
                checks=[],
                findings=[],
                omitted=0,
            )
            self._keep(run)
            self._running[task] = run
            for number in numbers[: max(0, len(numbers) + 1 - MOST_KEPT)]:
                self._evidence(task, number).unlink(missing_ok=True)
                self._path(task, number).unlink(missing_ok=True)
        threading.Thread(target=self._work, args=(run,), name=f"audit {task}", daemon=True).start()
        return run

    def runs(self, task: int) -> Iterator[Audit]:
        """The last one first."""
        return (self.run(task, number) for number in reversed(self._numbers(task)))

    def run(self, task: int, number: int) -> Audit:
        """Raises RequestError ``E_NOT_FOUND``."""
        with self._lock:
            running = self._running.get(task)
        if running is not None and running.audit == number:
            return running
        try:
            kept = Audit.model_validate_json(read_bounded(self._path(task, number), MAX_FILE_BYTES))
        except (OSError, ValidationError, MalformedError) as error:
            raise RequestError(f"task {task} has no audit {number}", fault=Party.CLIENT, code="E_NOT_FOUND") from error
        if kept.state == "running":
            return kept.model_copy(update={"state": "interrupted"})
        return kept.model_copy(update={"evidence_bytes": _size(self._evidence(task, number))})

    def evidence(self, task: int, number: int) -> BinaryIO:
        """To be read and closed. Raises RequestError ``E_NOT_FOUND``."""
        self.run(task, number)
        try:
            return self._evidence(task, number).open("rb")
        except OSError as error:
            message = f"audit {number} of task {task} kept no evidence"
            raise RequestError(message, fault=Party.CLIENT, code="E_NOT_FOUND") from error

    def _work(self, run: Audit) -> None:
        try:
            found = result_of(self._auditor(run.task, self._evidence(run.task, run.audit)))
            done = run.model_copy(update={**found, "state": "done", "ended": instant(self._now())})
        except HearthError as error:
            _log.warning("an audit did not run", task=run.task, error=str(error))
            done = run.model_copy(update={"state": "failed", "ended": instant(self._now()), "code": error.code})
        with self._lock:
            try:
                self._keep(done)
            except OSError as error:
                _log.error("an audit cannot be kept", task=run.task, error=error.strerror)
            del self._running[run.task]
            self._make_room()

    def _make_room(self) -> None:
        """The oldest evidence goes first; results stay."""
        sizes = {path: _size(path) or 0 for path in self._folder.glob(f"*{EVIDENCE_SUFFIX}")}
        for path in sorted(sizes, key=_written):
            if sum(sizes.values()) <= MOST_EVIDENCE_BYTES:
                return
            path.unlink(missing_ok=True)
            del sizes[path]

    def _keep(self, run: Audit) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_file_atomically(self._path(run.task, run.audit), run.model_dump_json().encode(), 0o644)

    def _path(self, task: int, number: int) -> Path:
        return self._folder / f"task-{task}-audit-{number}.json"

    def _evidence(self, task: int, number: int) -> Path:
        return self._folder / f"task-{task}-audit-{number}{EVIDENCE_SUFFIX}"

    def _numbers(self, task: int) -> list[int]:
        """Ascending."""
        found = (re.fullmatch(rf"task-{task}-audit-(\d+)", path.stem) for path in self._folder.glob("*.json"))
        return sorted(int(match[1]) for match in found if match)


def _size(path: Path) -> int | None:
    """In bytes; None where nothing is."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def result_of(content: bytes) -> dict[str, object]:
    """Fields of an :class:`Audit` from what ``hearth audit --json`` wrote. Raises MalformedError."""
    try:
        told = parse_json(content)
        lines = [(int(o["check"]), str(o["subject"]), Status(o["status"]), str(o["detail"])) for o in told["results"]]
        counts = Counter((check, status) for check, _, status, _ in lines)
        findings = [_finding(*line) for line in lines if line[2] is not Status.PASS]
        return {
            "verdict": str(Status(told["verdict"])),
            "checks": [_count(counts, check) for check in sorted({check for check, _ in counts})],
            "findings": findings[:MOST_FINDINGS],
            "omitted": max(0, len(findings) - MOST_FINDINGS),
        }
    except (LookupError, TypeError, ValueError) as error:
        raise MalformedError("the audit wrote something else than its result") from error


def _count(counts: Counter[tuple[int, Status]], check: int) -> CheckCount:
    passed, failed = counts[check, Status.PASS], counts[check, Status.FAIL]
    unknown = counts[check, Status.UNKNOWN] + counts[check, Status.UNVERIFIED]
    return CheckCount(check=check, claim=CHECKS[check], passed=passed, failed=failed, unknown=unknown)


def _finding(check: int, subject: str, status: Status, detail: str) -> Finding:
    claim, fault = CHECKS[check], _FAULT.search(detail)
    reason = _FAULT.sub("", detail)
    sentence = f"{subject[:1].upper()}{subject[1:]}: {claim}. {_WORDS.get(status, 'Nobody vouches for it')}: {reason}."
    return Finding(
        check=check,
        subject=subject,
        result=cast(Result, status.value),
        claim=claim,
        detail=reason,
        at_fault=fault[1] if fault else None,
        sentence=f"{sentence} At fault: {fault[1]}." if fault else sentence,
    )
