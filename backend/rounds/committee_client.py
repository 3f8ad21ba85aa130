"""The edge server's side of the key authorities' HTTP interface: bounded, verified answers; any may be dead."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path

import structlog

from backend.rounds.authority_channel import (
    MAX_STATEMENT_BYTES,
    MIN_BYTES_PER_SECOND,
    PATIENCE_SECONDS,
    AuthorityChannel,
)
from protocol.audit.breaches import AuthorityWord, place_of, two_words
from protocol.canonical import decode, encode
from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, Digest, to_hex
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
from protocol.messages.screening import (
    GRAM_KIND,
    GramRequest,
    OpeningAnswer,
    OpeningStatement,
    PlannedGramRequest,
)
from protocol.messages.task import Committee, TaskSpec
from protocol.round.endorsing import endorsement_of
from protocol.round.scheme import RoundScheme
from protocol.round.screening_answers import Sizes, opening_statement
from protocol.round.sightings import sighting
from protocol.round.windows import check_window_key
from protocol.signing import verify
from storage.ledger.proof_file import write_proof
from storage.ledger.proofs import proof_of

Said = EndorsementStatement | KeyAcceptanceStatement | OpeningStatement | PartialKeyStatement | SightingStatement

log = structlog.get_logger()


@dataclass
class Word:
    """What one authority said of clients' envelopes."""

    accepted: set[Address] = field(default_factory=set)
    refused: set[Address] = field(default_factory=set)  # not what the envelope's public digests say


class CommitteeClient(AuthorityChannel):
    """What the authorities are asked, and what holds of their answers. May be shared by threads.

    Two keys, openings or sightings that one of them signs for one label become a proof in the folder ``proofs``, for
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
        """``heard``: as a channel takes it."""
        super().__init__(urls, pause, heard)
        self._domain, self._proofs = domain, proofs
        self._last: dict[tuple[type, int, Address], AuthorityWord] = {}  # by kind, task and authority

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
        """``missing``: authority -> client -> envelope; gives what each authority that is there says of them, up to
        where one came that takes too long."""
        words = {member: Word() for member in committee.members}

        def show(url: str, authority: Address) -> None:
            word = words[authority]
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

        self._ask_all(committee, show, PATIENCE_SECONDS + max(map(len, missing.values()), default=0))
        return {member: Word(set(word.accepted), set(word.refused)) for member, word in words.items()}

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
        return self._sightings("sightings", request.kind, committee, plan, request)

    def screening_sightings(
        self, committee: Committee, plan: RoundPlan, request: GramRequest
    ) -> dict[Address, SignedSighting]:
        """The same of the request for the round's openings."""
        return self._sightings("screening-sightings", GRAM_KIND, committee, plan, request)

    def _sightings(
        self, question: str, kind: str, committee: Committee, plan: RoundPlan, request: KeyRequest | GramRequest
    ) -> dict[Address, SignedSighting]:
        path, body = f"/api/v1/tasks/{plan.task}/rounds/{plan.round}/{question}", encode(request)
        digest = request.digest()

        def ask(url: str, authority: Address) -> SignedSighting:
            answer = self._send("POST", url + path, body, MAX_STATEMENT_BYTES)
            signed = decode(SignedSighting, answer, MAX_STATEMENT_BYTES)
            self._compare_with_last(authority, signed)
            expected = sighting(plan.task, plan.round, kind, request.label, digest, authority)
            self._check(signed.statement, expected, signed.signature, authority)
            return signed

        return self._ask_all(committee, ask)

    def openings(self, committee: Committee, shown: PlannedGramRequest) -> dict[Address, OpeningAnswer]:
        """By authority, whatever it answers under its signature for exactly this request: answers of another size are
        its signed word too, and count as a lie."""
        plan, request = shown.plan, shown.request
        path, body = f"/api/v1/tasks/{plan.task}/rounds/{plan.round}/openings", encode(shown)
        digest, size = request.digest(), Sizes.of(request).all_bytes
        max_bytes = MAX_STATEMENT_BYTES + 4 * size  # in hexadecimal, and twice as much for one that is too long

        def ask(url: str, authority: Address) -> OpeningAnswer:
            answer = decode(OpeningAnswer, self._send("POST", url + path, body, max_bytes), max_bytes)
            self._compare_with_last(authority, answer.signed)
            expected = opening_statement(plan, digest, authority, cid_of(answer.answers).digest)
            self._check(answer.signed.statement, expected, answer.signed.signature, authority)
            if len(answer.answers) > 2 * size:  # nobody reads so much of one that is on record
                raise VerificationError(f"{to_hex(authority)} signed too many bytes", fault=Party.KEY_AUTHORITY)
            return answer

        return self._ask_all(committee, ask, _patience(max_bytes))

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

        return self._ask_all(committee, ask, _patience(max_bytes))

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
        statement: Said,
        expected: Said,
        signature: bytes,
        authority: Address,
    ) -> None:
        if statement != expected:
            raise VerificationError(f"{to_hex(authority)} signed something else", fault=Party.KEY_AUTHORITY)
        verify(self._domain, statement, signature, authority, Party.KEY_AUTHORITY)


def _patience(max_bytes: int) -> float:
    """Seconds for an answer of this size."""
    return PATIENCE_SECONDS + max_bytes / MIN_BYTES_PER_SECOND
