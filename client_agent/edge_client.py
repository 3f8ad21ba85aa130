"""The phone's side of the edge servers' HTTP API: small requests, answers bounded in size and time, bytes counted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from client_agent.edge_errors import EdgeRefusedError, EdgeUnavailableError
from client_agent.sent_requests import Asked, Tally
from client_agent.server_version import ServerVersions, UpgradeError
from protocol.canonical import decode, encode
from protocol.domain import Domain
from protocol.errors import HearthError, MalformedError, Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, from_hex, to_hex
from protocol.incentives.rewards import verify_entitlement
from protocol.messages.keys import WindowKeys
from protocol.messages.round import RoundStatement, ShownPlan, SignedRoundStatement
from protocol.messages.settlement import ProvenEntitlement
from protocol.messages.submission import InclusionProof, SignedEnrolment, SignedLeave, SignedReceipt, Submission
from protocol.messages.vouchers import BlindSignature, VoucherRequest
from protocol.round.windows import check_window_keys
from protocol.strict_json import parse_json
from storage import http
from storage.http_answers import culprit, pause_of, refusal

MAX_ANSWER_BYTES = 64 * 1024
T = TypeVar("T")

__all__ = ["EdgeClient", "EdgeRefusedError", "EdgeUnavailableError", "NextRound", "TaskEnded"]


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
    """Synchronous client of the edge servers of a task, asked one after the other until one serves.

    Raises EdgeUnavailableError when none does, and EdgeRefusedError when one refuses. Whoever did not serve is asked
    last from then on.
    """

    def __init__(
        self,
        urls: Sequence[str],
        timeout_seconds: float = 10.0,
        pause: Callable[[float], None] = time.sleep,
        tally: Tally = lambda *_: None,
    ) -> None:
        """``tally``: hears of every request that is sent."""
        self._urls, self._timeout, self._pause = [http.server_url(url) for url in urls], timeout_seconds, pause
        self._tally = tally
        self.bytes_sent = 0  # request lines, headers and bodies
        self._runner = asyncio.Runner()  # a deadline for the whole exchange, however slowly an answer drips
        self._http = http.async_client(timeout_seconds)
        self._http.headers.clear()  # a phone pays for every header
        self._versions = ServerVersions(self._identity)

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()

    def turn(self) -> None:
        """The server asked first has told nothing useful: another one is asked first from now on."""
        self._urls.append(self._urls.pop(0))

    def window_keys(
        self, domain: Domain, task: int, window: int, members: Sequence[Address]
    ) -> list[tuple[Address, bytes]]:
        """What an enrolment in this window seals to, from the first server that has a signed key of every authority."""

        def parse(answer: bytes | None) -> list[tuple[Address, bytes]]:
            keys = decode(WindowKeys, answer or b"", MAX_ANSWER_BYTES)
            return check_window_keys(keys, domain, task, window, members)

        return self._ask(
            Asked.WINDOW_KEYS, "GET", f"/api/v1/tasks/{task}/windows/{window}/keys", None, parse, anybody=True
        )

    def enrol(self, signed: SignedEnrolment) -> None:
        self._ask(
            Asked.ENROLMENT, "POST", f"/api/v1/tasks/{signed.enrolment.task}/enrolments", encode(signed), _nothing
        )

    def redeem(self, task: int, request: VoucherRequest) -> bytes:
        """A signature of what is blinded, unchecked, from the first server that redeems codes of the task."""
        return self._ask(
            Asked.VOUCHER, "POST", f"/api/v1/tasks/{task}/vouchers", encode(request),
            lambda answer: decode(BlindSignature, answer or b"", MAX_ANSWER_BYTES).signature,
        )  # fmt: skip

    def leave(self, signed: SignedLeave) -> None:
        self._ask(Asked.LEAVE, "POST", f"/api/v1/tasks/{signed.leave.task}/leaves", encode(signed), _nothing)

    def next_round(self, task: int, after: int, wait_seconds: int) -> NextRound | TaskEnded | None:
        """Long poll for a round later than ``after``; None when none opened in time, and then the next server is asked
        first: this one may have lost sight of the chain."""

        def parse(answer: bytes | None) -> NextRound | TaskEnded | None:
            return None if answer is None else _announcement(task, after, _object(answer))

        path = f"/api/v1/tasks/{task}/rounds/next?after={after}&wait={wait_seconds}"
        found = self._ask(Asked.NEXT_ROUND, "GET", path, None, parse)
        if found is None:
            self.turn()
        return found

    def shown_plan(
        self, task: int, round_number: int, client: Address, check: Callable[[ShownPlan], T], wait_seconds: int
    ) -> T | None:
        """Long poll for the plan as far as it concerns ``client``: what ``check``, which raises for one that is not to
        be believed, makes of that of the first good server. None while too few authorities endorse the cohort."""

        def parse(answer: bytes | None) -> T | None:
            return None if answer is None else check(decode(ShownPlan, answer, MAX_ANSWER_BYTES))

        path = f"/api/v1/tasks/{task}/rounds/{round_number}/plans/{to_hex(client)}?wait={wait_seconds}"
        return self._ask(Asked.PLAN, "GET", path, None, parse, anybody=True)

    def statement(self, task: int, round_number: int) -> SignedRoundStatement:
        """What an edge server says of a round now; not verified."""
        path = f"/api/v1/tasks/{task}/rounds/{round_number}/statement"
        return self._ask(
            Asked.STATEMENT,
            "GET",
            path,
            None,
            lambda found: decode(SignedRoundStatement, found or b"", MAX_ANSWER_BYTES),
        )

    def submit(self, task: int, round_number: int, submission: Submission) -> SignedReceipt | None:
        """The edge server's receipt, not verified; None from one that gives none."""
        path = f"/api/v1/tasks/{task}/rounds/{round_number}/commitments"
        return self._ask(Asked.COMMITMENT, "POST", path, encode(submission), _optional(SignedReceipt))

    def inclusion_proof(
        self, task: int, round_number: int, client: Address, wait_seconds: int
    ) -> InclusionProof | None:
        """Long poll for the inclusion proof; None when there is none yet. Refused once the batch went without it."""
        path = f"/api/v1/tasks/{task}/rounds/{round_number}/inclusion-proofs/{to_hex(client)}?wait={wait_seconds}"
        return self._ask(Asked.INCLUSION, "GET", path, None, _optional(InclusionProof))

    def entitlement(self, task: int, round_number: int, client: Address, root: Digest) -> ProvenEntitlement:
        """The client's leaf after a settled round, from the first server that proves it by the ``root`` on chain."""

        def parse(answer: bytes | None) -> ProvenEntitlement:
            proven = decode(ProvenEntitlement, answer or b"", MAX_ANSWER_BYTES)
            verify_entitlement(root, task, client, proven)
            return proven

        path = f"/api/v1/tasks/{task}/entitlements/{to_hex(client)}?round={round_number}"
        return self._ask(Asked.ENTITLEMENT, "GET", path, None, parse, anybody=True)

    def request_claim(self, task: int, client: Address) -> None:
        self._ask(Asked.CLAIM, "POST", f"/api/v1/tasks/{task}/claims/{to_hex(client)}", b"", _nothing)

    def _ask(
        self,
        kind: Asked,
        method: str,
        path: str,
        body: bytes | None,
        parse: Callable[[bytes | None], T],
        anybody: bool = False,
    ) -> T:
        """What ``parse`` makes of the first good answer; it is given the body of a 2xx answer, None for 204.

        ``anybody``: a refusal of one server is nothing that another one has to repeat.
        """
        for attempt in itertools.count():
            unserved = dict[str, HearthError]()
            for url in tuple(self._urls):
                try:
                    return parse(self._runner.run(self._send(kind, method, url + path, body, attempt)))
                except EdgeRefusedError as error:
                    self.turn()
                    unserved[url] = error
                    if error.code == "E_NOT_FOUND" or anybody:
                        continue
                    unserved[url] = self._versions.of(url, error)
                    if unserved[url] is error:
                        raise
                except (EdgeUnavailableError, MalformedError, VerificationError) as error:
                    self.turn()
                    unserved[url] = error
            pauses = [error.pause_seconds for error in unserved.values() if isinstance(error, EdgeUnavailableError)]
            wanted = [pause for pause in pauses if pause is not None]
            if not wanted:
                break
            self._pause(min(wanted))
        unserved = {
            url: error if isinstance(error, EdgeUnavailableError) else self._versions.of(url, error)
            for url, error in unserved.items()
        }
        ours = all(error.fault is Party.OURS for error in unserved.values())
        why = "; ".join(f"{http.shown_url(url)}: {error.args[0]}" for url, error in unserved.items())
        old = any(isinstance(error, UpgradeError) for error in unserved.values())
        kind_of_error = UpgradeError if old else EdgeUnavailableError
        raise kind_of_error(f"{method} {path}: {why}", fault=Party.OURS if ours else Party.EDGE_SERVER)

    def _identity(self, url: str) -> bytes | None:
        return self._runner.run(self._send(Asked.IDENTITY, "GET", f"{url}/api/v1/identity", None, 0))

    async def _send(self, kind: Asked, method: str, url: str, body: bytes | None, attempt: int) -> bytes | None:
        wait = int(url.rpartition("wait=")[2]) if "wait=" in url else 0
        timeout = httpx2.Timeout(self._timeout, read=self._timeout + wait)
        request = self._http.build_request(method, url, content=body, timeout=timeout)
        size = len(f"{method}  HTTP/1.1\r\n\r\n") + len(request.url.raw_path) + len(body or b"")
        size += sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
        self.bytes_sent += size
        self._tally(kind, size)
        content = b""
        try:
            async with asyncio.timeout(self._timeout + wait):
                response = await self._http.send(request, stream=True)
                try:
                    async for piece in response.aiter_bytes():
                        content += piece
                        if len(content) > MAX_ANSWER_BYTES:
                            raise EdgeUnavailableError("answer too large", fault=Party.EDGE_SERVER)
                finally:
                    await response.aclose()
        except (httpx2.HTTPError, TimeoutError) as error:
            raise EdgeUnavailableError(http.reason(url, error), fault=culprit(url, error, Party.EDGE_SERVER)) from error
        if response.status_code == 204:
            return None
        if response.is_success:
            return content
        code, detail = _problem(content)
        if 400 <= response.status_code < 500 and code is not None:
            raise EdgeRefusedError(detail, fault=Party.EDGE_SERVER, code=code)
        unavailable = EdgeUnavailableError(refusal(response.status_code, content), fault=Party.EDGE_SERVER)
        unavailable.pause_seconds = pause_of(response.status_code, response.headers, code, attempt)
        raise unavailable


def _announcement(task: int, after: int, parsed: dict[str, Any]) -> NextRound | TaskEnded:
    if "ended" in parsed:
        return TaskEnded()
    number, texts = parsed.get("round"), [parsed.get(name) for name in ("plan", "label", "signature")]
    if type(number) is not int or not after < number < 2**32 or not all(isinstance(text, str) for text in texts):
        raise EdgeUnavailableError("not a next round", fault=Party.EDGE_SERVER)
    plan, label, signature = (from_hex(str(text), size) for text, size in zip(texts, (32, 32, 65), strict=True))
    statement = RoundStatement(task, number, label, ZERO_DIGEST)
    return NextRound(number, plan, SignedRoundStatement(statement, signature))


def _optional(kind: type[T]) -> Callable[[bytes | None], T | None]:
    return lambda answer: decode(kind, answer, MAX_ANSWER_BYTES) if answer else None


def _nothing(_: bytes | None) -> None:
    """Of an answer whose body says nothing."""


def _problem(content: bytes) -> tuple[str | None, str]:
    """Code and words of a problem document; no code for anything else, which no edge server says."""
    try:
        problem = _object(content)
    except MalformedError:
        return None, ""
    code = problem.get("code")
    return (code if isinstance(code, str) else None), str(problem.get("detail", code))


def _object(content: bytes) -> dict[str, Any]:
    try:
        parsed = parse_json(content)
    except MalformedError as error:
        raise MalformedError("the edge server's answer is not JSON", fault=Party.EDGE_SERVER) from error
    if not isinstance(parsed, dict):
        raise MalformedError("the edge server's answer is not an object", fault=Party.EDGE_SERVER)
    return parsed
