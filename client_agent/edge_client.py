"""The phone's side of the edge server's HTTP API: small requests, bounded answers, every byte counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2

from protocol.canonical import decode, encode
from protocol.errors import HearthError, MalformedError, Party
from protocol.identifiers import ZERO_DIGEST, Address, Digest, from_hex, to_hex
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.submission import Receipt, SignedEnrolment, SignedLeave, SignedReceipt, Submission
from storage.ledger.interface import LedgerError
from storage.ledger.json_answers import parse_json

MAX_ANSWER_BYTES = 64 * 1024


class EdgeUnavailableError(HearthError):
    """No answer, or none that an edge server would give."""

    code = "E_EDGE_UNAVAILABLE"


class EdgeRefusedError(HearthError):
    """The edge server answered with a problem document; ``code`` is the one it names."""

    code = "E_EDGE_REFUSED"


@dataclass(frozen=True, slots=True)
class NextRound:
    """An announced round; ``statement`` is signed by the edge server, the phone sees by which one."""

    round: int
    plan: Digest
    statement: SignedRoundStatement


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """No later round will open."""


class EdgeClient:
    """Synchronous client of one edge server. Raises EdgeUnavailableError and EdgeRefusedError."""

    def __init__(self, base_url: str, timeout_seconds: float = 10.0) -> None:
        self._timeout = timeout_seconds
        self.bytes_sent = 0  # request lines, headers and bodies
        self._http = httpx2.Client(base_url=base_url, timeout=timeout_seconds, follow_redirects=False)
        self._http.headers.clear()  # a phone pays for every header

    def close(self) -> None:
        self._http.close()

    def enrol(self, signed: SignedEnrolment) -> None:
        self._send("POST", f"/api/v1/tasks/{signed.enrolment.task}/enrolments", encode(signed))

    def leave(self, signed: SignedLeave) -> None:
        self._send("POST", f"/api/v1/tasks/{signed.leave.task}/leaves", encode(signed))

    def next_round(self, task: int, after: int, wait_seconds: int) -> NextRound | TaskEnded | None:
        """Long poll for a round later than ``after``; None when none opened in time."""
        answer = self._send("GET", f"/api/v1/tasks/{task}/rounds/next?after={after}&wait={wait_seconds}")
        if answer is None:
            return None
        parsed = _object(answer)
        if "ended" in parsed:
            return TaskEnded()
        number, texts = parsed.get("round"), [parsed.get(name) for name in ("plan", "label", "signature")]
        if type(number) is not int or not after < number < 2**32 or not all(isinstance(text, str) for text in texts):
            raise EdgeUnavailableError("not a next round", fault=Party.EDGE_SERVER)
        plan, label, signature = (from_hex(str(text), size) for text, size in zip(texts, (32, 32, 65), strict=True))
        statement = RoundStatement(task, number, label, ZERO_DIGEST)
        return NextRound(number, plan, SignedRoundStatement(statement, signature))

    def statement(self, task: int, round_number: int) -> SignedRoundStatement:
        """What the edge server says of a round now; not verified."""
        answer = self._send("GET", f"/api/v1/tasks/{task}/rounds/{round_number}/statement")
        return decode(SignedRoundStatement, answer or b"", MAX_ANSWER_BYTES)

    def submit(self, task: int, round_number: int, submission: Submission) -> SignedReceipt | None:
        """The edge server's receipt, not verified; None from one that gives none."""
        answer = self._send("POST", f"/api/v1/tasks/{task}/rounds/{round_number}/commitments", encode(submission))
        return decode(SignedReceipt, answer, MAX_ANSWER_BYTES) if answer else None

    def receipt(self, task: int, round_number: int, client: Address, wait_seconds: int) -> Receipt | None:
        """Long poll for the inclusion proof; None when there is none yet. Refused once the batch went without it."""
        path = f"/api/v1/tasks/{task}/rounds/{round_number}/receipts/{to_hex(client)}?wait={wait_seconds}"
        answer = self._send("GET", path)
        return None if answer is None else decode(Receipt, answer, MAX_ANSWER_BYTES)

    def request_claim(self, task: int, client: Address) -> None:
        self._send("POST", f"/api/v1/tasks/{task}/claims/{to_hex(client)}", b"")

    def _send(self, method: str, path: str, body: bytes | None = None) -> bytes | None:
        """Body of a 2xx answer, None for 204."""
        wait = int(path.rpartition("wait=")[2]) if "wait=" in path else 0
        request = self._http.build_request(method, path, content=body, timeout=self._timeout + wait)
        self.bytes_sent += len(f"{method}  HTTP/1.1\r\n\r\n") + len(request.url.raw_path) + len(body or b"")
        self.bytes_sent += sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
        try:
            response = self._http.send(request, stream=True)
            try:
                content = b""
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MAX_ANSWER_BYTES:
                        raise EdgeUnavailableError("answer too large", fault=Party.EDGE_SERVER)
            finally:
                response.close()
        except httpx2.HTTPError as error:
            raise EdgeUnavailableError(f"{method} {path}: {error}", fault=Party.EDGE_SERVER) from error
        if response.status_code == 204:
            return None
        if response.is_success:
            return content
        if 400 <= response.status_code < 500:
            problem = _object(content)
            code = problem.get("code")
            raise EdgeRefusedError(
                str(problem.get("detail", response.status_code)),
                fault=Party.EDGE_SERVER,
                code=code if isinstance(code, str) else None,
            )
        raise EdgeUnavailableError(f"{method} {path}: status {response.status_code}", fault=Party.EDGE_SERVER)


def _object(content: bytes) -> dict[str, Any]:
    try:
        parsed = parse_json(content)
    except LedgerError as error:
        raise MalformedError("the edge server's answer is not JSON", fault=Party.EDGE_SERVER) from error
    if not isinstance(parsed, dict):
        raise MalformedError("the edge server's answer is not an object", fault=Party.EDGE_SERVER)
    return parsed
