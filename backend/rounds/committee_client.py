"""The edge server's side of the key authorities' HTTP interface: bounded, verified answers; any may be dead."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx2
import structlog

from backend.rounds.authority_error import AuthorityError
from backend.trace_context import trace_headers
from protocol.audit.breaches import AuthorityWord, place_of, two_words
from protocol.canonical import decode, encode
from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, Digest, from_hex, to_hex
from protocol.messages.keys import (
    KeyAcceptanceStatement,
    KeyRequest,
    PartialKeyAnswer,
    PartialKeyStatement,
    PlannedKeyRequest,
    SightingStatement,
    SignedKeyAcceptance,
    SignedSighting,
    SignedWindowKey,
)
from protocol.messages.round import CohortEvidence, EndorsementStatement, RoundPlan, SignedEndorsement
from protocol.messages.task import Committee, TaskSpec
from protocol.round.endorsing import endorsement_of
from protocol.round.scheme import RoundScheme
from protocol.round.sightings import sighting
from protocol.round.windows import check_window_key
from protocol.signing import verify
from protocol.strict_json import parse_json
from storage import http
from storage.http_answers import culprit, pause_of, refusal
from storage.ledger.proof_file import write_proof
from storage.ledger.proofs import proof_of

MAX_STATEMENT_BYTES = 16 * 1024
TIMEOUT_SECONDS = 10.0
T = TypeVar("T")

log = structlog.get_logger()


@dataclass
class Word:
    """What one authority said of clients' envelopes."""

    accepted: set[Address] = field(default_factory=set)
    refused: set[Address] = field(default_factory=set)  # not what the envelope's public digests say


class CommitteeClient:
    """All authorities that this server knows; a task uses those whose addresses it names. May be shared by threads.

    Two keys, or two sightings, that one of them signs for one label become a proof in the folder ``proofs``, for
    ``hearth dispute``: to file it now would freeze the round and cost every client its reward.
    """

    def __init__(
        self,
        urls: tuple[str, ...],
        domain: Domain,
        proofs: Path,
        pause: Callable[[float], None] = time.sleep,
        heard: Callable[[Address, HearthError | None, float], None] = lambda _, __, ___: None,
    ) -> None:
        """``heard`` is told of every question to a member: None, or why there was no usable answer, and its seconds."""
        self._urls, self._domain, self._proofs = tuple(map(http.server_url, urls)), domain, proofs
        self._pause, self._heard = pause, heard
        self._away = set[str]()  # URLs, as far as it is said
        self._last: dict[tuple[type, int, Address], AuthorityWord] = {}  # by kind, task and authority
        self._url_of: dict[Address, str] = {}
        self._http = http.client(TIMEOUT_SECONDS)
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(urls)))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def show_task(self, task: int, spec: TaskSpec) -> set[Address]:
        """Shows the spec to every member; those that have it now."""
        path, body = f"/api/v1/tasks/{task}", encode(spec)
        return set(
            self._ask_all(spec.committee, lambda url, _: self._send("PUT", url + path, body, MAX_STATEMENT_BYTES))
        )

    def window_keys(self, task: int, committee: Committee, window: int) -> list[SignedWindowKey]:
        """Verified keys of the members that gave one."""

        def ask(url: str, authority: Address) -> SignedWindowKey:
            path = f"{url}/api/v1/tasks/{task}/windows/{window}/key"
            signed = decode(SignedWindowKey, self._send("GET", path, b"", MAX_STATEMENT_BYTES), MAX_STATEMENT_BYTES)
            check_window_key(signed, self._domain, task, window, authority)
            return signed

        return list(self._ask_all(committee, ask).values())

    def show_envelopes(
        self, task: int, committee: Committee, missing: Mapping[Address, Mapping[Address, tuple[Digest, bytes]]]
    ) -> dict[Address, Word]:
        """``missing``: authority -> client -> envelope; gives what each authority that is there says of them."""

        def show(url: str, authority: Address) -> Word:
            word = Word()
            for client, (digest, envelope) in missing.get(authority, {}).items():
                try:
                    path = f"{url}/api/v1/tasks/{task}/clients/{to_hex(client)}"
                    answer = self._send("PUT", path, envelope, MAX_STATEMENT_BYTES)
                    signed = decode(SignedKeyAcceptance, answer, MAX_STATEMENT_BYTES)
                    expected = KeyAcceptanceStatement(task, client, digest, authority)
                    self._check(signed.statement, expected, signed.signature, authority)
                    word.accepted.add(client)
                except HearthError as error:
                    log.warning("no acceptance", client=to_hex(client), error=str(error))
                    if error.code == "E_ENROLMENT":
                        word.refused.add(client)
            return word

        return self._ask_all(committee, show)

    def endorsements(
        self, committee: Committee, plan: RoundPlan, evidence: CohortEvidence
    ) -> dict[Address, SignedEndorsement]:
        """By authority, of those that derive the cohort of this plan from their own chain and the evidence."""
        path, body = f"/api/v1/tasks/{plan.task}/rounds/{plan.round}/endorsements", encode(evidence)
        label = plan.label()

        def ask(url: str, authority: Address) -> SignedEndorsement:
            signed = decode(
                SignedEndorsement, self._send("POST", url + path, body, MAX_STATEMENT_BYTES), MAX_STATEMENT_BYTES
            )
            expected = endorsement_of(plan.task, plan.round, label, authority)
            self._check(signed.statement, expected, signed.signature, authority)
            return signed

        return self._ask_all(committee, ask)

    def sightings(self, committee: Committee, plan: RoundPlan, request: KeyRequest) -> dict[Address, SignedSighting]:
        """By authority, of those that see exactly this request on their chain."""
        path, body = f"/api/v1/tasks/{plan.task}/rounds/{plan.round}/sightings", encode(request)
        digest = request.digest()

        def ask(url: str, authority: Address) -> SignedSighting:
            answer = self._send("POST", url + path, body, MAX_STATEMENT_BYTES)
            signed = decode(SignedSighting, answer, MAX_STATEMENT_BYTES)
            self._compare_with_last(authority, signed)
            expected = sighting(plan.task, plan.round, request.kind, request.label, digest, authority)
            self._check(signed.statement, expected, signed.signature, authority)
            return signed

        return self._ask_all(committee, ask)

    def partial_keys(self, committee: Committee, request: PlannedKeyRequest) -> dict[Address, PartialKeyAnswer]:
        """Verified answers by authority: signed for exactly this request, the share matching its digest."""
        plan = request.plan
        path, body = f"/api/v1/tasks/{plan.task}/rounds/{plan.round}/partial-keys", encode(request)

        scheme = RoundScheme.of(plan, committee)
        key_bytes = scheme.key_bytes
        max_bytes = MAX_STATEMENT_BYTES + 2 * key_bytes  # in hexadecimal

        def ask(url: str, authority: Address) -> PartialKeyAnswer:
            answer = decode(PartialKeyAnswer, self._send("POST", url + path, body, max_bytes), max_bytes)
            self._compare_with_last(authority, answer.signed)
            expected = PartialKeyStatement(
                plan.task,
                plan.round,
                scheme.label,
                request.request.digest(),
                authority,
                plan.key_epoch,
                cid_of(answer.residues).digest,
            )
            self._check(answer.signed.statement, expected, answer.signed.signature, authority)
            if len(answer.residues) != key_bytes:
                raise VerificationError(
                    f"{to_hex(authority)} signed {len(answer.residues)} bytes, {key_bytes} expected",
                    fault=Party.KEY_AUTHORITY,
                )
            return answer

        return self._ask_all(committee, ask)

    def _compare_with_last(self, authority: Address, signed: AuthorityWord) -> None:
        """Writes a proof when this contradicts what the authority signed before."""
        said = signed.statement
        if said.authority != authority:
            return  # refused below
        verify(self._domain, said, signed.signature, authority, Party.KEY_AUTHORITY)
        last = self._last.setdefault((type(said), said.task, authority), signed)
        if place_of(last) != place_of(signed):
            self._last[type(said), said.task, authority] = signed
        elif breach := two_words(last, signed):
            path = write_proof(self._proofs, *astuple(proof_of(breach)))
            log.error("a key authority contradicts itself", authority=to_hex(authority), proof=str(path))

    def _check(
        self,
        statement: EndorsementStatement | KeyAcceptanceStatement | PartialKeyStatement | SightingStatement,
        expected: EndorsementStatement | KeyAcceptanceStatement | PartialKeyStatement | SightingStatement,
        signature: bytes,
        authority: Address,
    ) -> None:
        if statement != expected:
            raise VerificationError(f"{to_hex(authority)} signed something else", fault=Party.KEY_AUTHORITY)
        verify(self._domain, statement, signature, authority, Party.KEY_AUTHORITY)

    def _ask_all(self, committee: Committee, ask: Callable[[str, Address], T]) -> dict[Address, T]:
        """Answers of the members that gave one; all are asked at the same time."""
        self.identify()
        seconds = dict[Address, float]()

        def timed(url: str, member: Address) -> T:
            begun = time.perf_counter()
            try:
                return ask(url, member)
            finally:
                seconds[member] = time.perf_counter() - begun

        asked = {
            member: self._pool.submit(copy_context().run, timed, self._url_of[member], member)
            for member in committee.members
            if member in self._url_of
        }
        answers = {}
        for authority, future in asked.items():
            try:
                answers[authority] = future.result()
                self._heard(authority, None, seconds[authority])
            except HearthError as error:
                self._heard(authority, error, seconds.get(authority, 0.0))
                log.warning("key authority", authority=to_hex(authority), error=str(error))
        return answers

    def identify(self) -> None:
        """Learns the addresses of those that have not answered before; says once who is away."""
        known = set(self._url_of.values())
        for url, asked in {
            url: self._pool.submit(self._address, url) for url in self._urls if url not in known
        }.items():
            try:
                self._url_of[asked.result()] = url
                self._away.discard(url)
            except HearthError as error:
                if url not in self._away:
                    log.warning("key authority away; it is asked again", url=http.shown_url(url), error=str(error))
                self._away.add(url)

    def _address(self, url: str) -> Address:
        answer = parse_json(self._send("GET", f"{url}/api/v1/identity", b"", MAX_STATEMENT_BYTES))
        try:
            return from_hex(str(answer["address"]), 20)
        except (KeyError, TypeError) as error:
            raise AuthorityError(f"{http.shown_url(url)}: not a key authority's identity") from error

    def _send(self, method: str, url: str, body: bytes, max_bytes: int) -> bytes:
        """The body of a success. Every request here can be repeated, and is where the answer is: not now."""
        for attempt in itertools.count():
            content = bytearray()
            try:
                with self._http.stream(method, url, content=body, headers=trace_headers()) as response:
                    for piece in response.iter_bytes():
                        content += piece
                        if len(content) > max_bytes:
                            raise AuthorityError(f"{http.shown_url(url)}: answer larger than {max_bytes} bytes")
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                fault = culprit(url, error, Party.KEY_AUTHORITY)
                raise AuthorityError(http.failure(url, error), fault=fault) from error
            if response.is_success:
                break
            code = _code_of(bytes(content))
            pause = pause_of(response.status_code, response.headers, code, attempt)
            if pause is None:
                said = refusal(response.status_code, bytes(content))
                raise AuthorityError(f"{http.shown_url(url)}: {said}", code)
            self._pause(pause)
        return bytes(content)


def _code_of(problem: bytes) -> str | None:
    """The code of a problem document; None for anything else."""
    try:
        return str(parse_json(problem)["code"])
    except (HearthError, KeyError, TypeError):
        return None
