"""The decisions of a key authority: what it accepts and answers, given the chain and its own records alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from backend.key_authority.chain_checks import ChainChecks, RefusedError, check_cohort_root, not_on_chain, on_chain
from backend.key_authority.endpoints import ChainReader
from backend.key_authority.entries import Answered
from backend.key_authority.evidence import Evidence
from backend.key_authority.histories import unsettled
from backend.key_authority.policy import AuthorityPolicy, check_task
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.screening import ScreenedRounds, check_unnamed
from backend.key_authority.windows import WindowError, Windows
from protocol.canonical import decode, encode
from protocol.content.cid import cid_of
from protocol.encryption.committee import Subset, subsets_without
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES, KeyEnvelope, check_envelope, open_share
from protocol.encryption.port import Entry
from protocol.errors import EncryptionError, HearthError, Party
from protocol.identifiers import Address, sha256, to_hex
from protocol.messages.chain import RoundView, TaskPosted
from protocol.messages.issued import IssuedRecord, IssuedStatement, SignedIssued
from protocol.messages.keys import (
    MAX_REQUEST_BYTES,
    KeyAcceptanceStatement,
    KeyRequest,
    PlannedKeyRequest,
    SignedKeyAcceptance,
    SignedSighting,
)
from protocol.messages.round import MAX_PLAN_BYTES, CohortEvidence, RoundPlan, SignedEndorsement
from protocol.messages.screening import GRAM_KIND
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.round.endorsing import MAX_EVIDENCE_BYTES, check_cohort, endorsement_of
from protocol.round.key_request import answer_request, check_parameters, check_request, kinds_of
from protocol.round.planning import check_plan, check_terms
from protocol.round.scheme import RoundScheme, prepare
from protocol.round.sightings import check_sightings, sighting
from protocol.round.state_table import RoundState
from protocol.task.runnable import check_runnable
from storage.content.interface import ContentStore
from storage.ledger.signer import Signer

MAX_PLANNED_REQUEST_BYTES = MAX_PLAN_BYTES + MAX_REQUEST_BYTES


class KeyAuthority:
    """One authority. May be shared by threads. Every method raises a HearthError and then changes nothing.

    A chain that cannot be asked is a LedgerError, never an answer.
    """

    def __init__(
        self,
        reader: ChainReader,
        records: AuthorityRecords,
        signer: Signer,
        windows: Windows,
        policy: AuthorityPolicy,
        compared: Callable[[], None] = lambda: None,
        store: ContentStore | None = None,
    ) -> None:
        """``compared`` returns once the records were compared with the chain: they may be an older copy. ``store``: for
        screened tasks, which are refused without."""
        self._records, self._signer, self._compared = records, signer, compared
        self._windows, self._policy = windows, policy
        self._issued: dict[IssuedStatement, SignedIssued] = {}
        self._checks = ChainChecks(reader, signer.address)
        self._screened = ScreenedRounds(self._checks, records, signer, policy, Evidence(reader, store, records))

    def identity(self) -> dict[str, str]:
        return {"address": to_hex(self._signer.address)}

    def accept_task(self, task: int, body: bytes) -> None:
        """Keeps the spec whose digest is on chain, if this authority is in its committee and its policy allows it."""
        self._compared()
        with on_chain(f"task {task}"):
            recorded = self._checks.reader.task(task).spec
        if sha256(body) != recorded:
            raise not_on_chain(f"the spec of task {task} is another one")
        spec = decode(TaskSpec, body, MAX_SPEC_BYTES)
        posted = [event for event in self._checks.reader.events(task) if isinstance(event, TaskPosted)]
        if len(posted) != 1:
            raise not_on_chain(f"task {task}")
        check_terms(posted[0].terms, spec)
        self._checks.number(spec)
        check_runnable(spec)
        try:
            check_task(self._policy, spec)
            prepare(spec, spec.cohort.max_cohort)
            self._screened.check_task(spec)
        except EncryptionError as error:
            raise EncryptionError(error.args[0], code=error.code, fault=Party.MANUFACTURER) from error
        self._records.keep_task(task, body)

    def window_key(self, task: int, window: int) -> bytes:
        """A SignedWindowKey: what clients that enrol in this window seal their shares to."""
        return encode(self._windows.signed_key(task, self._spec(task), window))

    def accept_client(self, task: int, client: Address, body: bytes) -> bytes:
        """A SignedKeyAcceptance, once this authority's share of the client's keys is open and on disk."""
        spec = self._spec(task)
        with on_chain(f"an enrolment of {to_hex(client)}"):
            recorded = self._checks.reader.enrolment(task, client).envelope
        envelope_digest = cid_of(body).digest
        if envelope_digest != recorded:
            raise not_on_chain(f"this envelope of {to_hex(client)}")
        domain = self._checks.domain
        if self._records.envelope(task, client) != envelope_digest:
            try:
                share = self._opened(spec, task, client, body)
            except WindowError:
                raise  # like one who is away: this refuses nobody
            except HearthError:
                self._records.keep_refusal(task, client, envelope_digest)
                raise
            self._records.keep_share(task, client, envelope_digest, share)
        statement = KeyAcceptanceStatement(task, client, envelope_digest, self._signer.address)
        return encode(SignedKeyAcceptance(statement, self._signer.sign(domain, statement)))

    def endorse(self, task: int, round_number: int, body: bytes) -> bytes:
        """A SignedEndorsement, of the cohort on chain, which is the one that this authority derives from the body, a
        CohortEvidence, and its own chain. Nothing is kept: it follows from them again.
        """
        shown = decode(CohortEvidence, body, MAX_EVIDENCE_BYTES)
        plan = decode(RoundPlan, shown.plan, MAX_PLAN_BYTES)
        spec, domain, own = self._spec(task), self._checks.domain, self._signer.address
        self._checks.number(spec)
        self._checks.check_bond(task, spec)
        with on_chain(f"round {round_number} of task {task}"):
            view = self._checks.reader.round(task, round_number, spec.confirmations)
        if (view.label, view.cohort_root, view.cohort) != (plan.label(), plan.cohort.root, plan.cohort.count):
            raise not_on_chain(f"this plan of round {round_number}")
        check_plan(plan, spec, domain, task, round_number)
        screened = self._screened.derived(task, spec, round_number)
        check_cohort(self._checks.reader.events(task), spec, plan, (encode(spec), *shown.documents), screened)
        statement = endorsement_of(task, round_number, view.label, own)
        return encode(SignedEndorsement(statement, self._signer.sign(domain, statement)))

    def sight(self, task: int, round_number: int, body: bytes) -> bytes:
        """A SignedSighting of the request on chain, which the body must be. There is no second one of its label and
        kind, whatever the chain says later."""
        request = decode(KeyRequest, body, MAX_REQUEST_BYTES)
        spec, digest = self._spec(task), request.digest()
        self._checks.number(spec)
        self._checks.check_bond(task, spec)
        self._checks.requested(task, round_number, spec.confirmations, request.label, digest)
        self._records.sight(task, round_number, request.label, request.kind, digest)
        statement = sighting(task, round_number, request.kind, request.label, digest, self._signer.address)
        return encode(SignedSighting(statement, self._signer.sign(self._checks.domain, statement)))

    def sight_screening(self, task: int, round_number: int, body: bytes) -> bytes:
        """A SignedSighting of the request for openings on chain, a GramRequest, which the body must be."""
        return self._screened.sight(task, round_number, self._spec(task), body)

    def open(self, task: int, round_number: int, body: bytes) -> bytes:
        """An OpeningAnswer to a PlannedGramRequest: the same bytes for the same request, for ever."""
        return self._screened.open(task, round_number, self._spec(task), body)

    def answer(self, task: int, round_number: int, body: bytes) -> bytes:
        """A PartialKeyAnswer: the same bytes for the same request, for ever.

        Nothing is answered to any other request of its label and kind, nor to one that too few authorities saw.
        """
        shown = decode(PlannedKeyRequest, body, MAX_PLANNED_REQUEST_BYTES)
        request, spec = shown.request, self._spec(task)
        digest = request.digest()
        view = self._checks.requested(task, round_number, spec.confirmations, request.label, digest)
        place = task, request.label, request.kind, digest
        stored = self._records.answer_to(*place)
        if stored is not None:
            return stored
        try:
            return self._new_answer(task, round_number, spec, view, shown)
        except EncryptionError as error:
            stored = self._records.answer_to(*place)  # another process may have answered meanwhile
            if error.code != "E_EPOCH" or stored is None:
                raise
            return stored

    def _new_answer(
        self, task: int, round_number: int, spec: TaskSpec, view: RoundView, shown: PlannedKeyRequest
    ) -> bytes:
        plan, request, domain = shown.plan, shown.request, self._checks.domain
        digest = request.digest()
        self._checks.check_bond(task, spec)
        check_task(self._policy, spec)
        check_parameters(plan, request, self._records.epoch(task))
        check_plan(plan, spec, domain, task, round_number)
        check_cohort_root(view, plan)
        self._checks.check_alive(view, RoundState.REQUESTED)
        seen = partial(sighting, task, round_number, request.kind, request.label, digest)
        check_sightings(domain, spec.committee, seen, shown.sightings)
        check_request(plan, request, self._checks.signer_of(task))
        check_unnamed(spec, request)
        settling = self._screened.settling(task, spec, view, plan, request) if spec.screening.on else unsettled
        held = subsets_without(len(spec.committee.members), spec.committee.threshold, self._checks.number(spec))
        residues = self._partial_key(task, spec, plan, request, held)
        answer = encode(answer_request(plan, request, self._signer.address, residues, self._signer.sign))
        return self._records.use_label(
            task, plan.key_epoch, held, request.label, request.kind, kinds_of(plan), digest, answer, settling
        )

    def issued(self, task: int) -> bytes:
        """An IssuedRecord: whom this authority gave its share of which key, by its own word."""
        self._spec(task)
        keys = (answered for answered in self._records.issued(task) if answered.kind != GRAM_KIND)
        return encode(IssuedRecord(tuple(map(self._signed, keys))))

    def _signed(self, answered: Answered) -> SignedIssued:
        """Signed once in the life of this process."""
        own = self._signer.address
        said = IssuedStatement(answered.task, answered.round, answered.label, answered.request, own)
        if said not in self._issued:
            self._issued[said] = SignedIssued(said, self._signer.sign(self._checks.domain, said))
        return self._issued[said]

    def _opened(self, spec: TaskSpec, task: int, client: Address, body: bytes) -> Mapping[Subset, bytes]:
        """This authority's share of the keys in an envelope."""
        envelope = decode(KeyEnvelope, body, MAX_ENVELOPE_BYTES)
        check_envelope(envelope, task, client, spec.committee.members, spec.committee.threshold)
        key_pair = self._windows.key_pair(task, envelope.window)
        return open_share(envelope, self._checks.domain.prefix(), self._checks.number(spec), key_pair)

    def _partial_key(
        self, task: int, spec: TaskSpec, plan: RoundPlan, request: KeyRequest, held: tuple[Subset, ...]
    ) -> bytes:
        shares = self._records.shares(task, held, plan.key_epoch)
        entries: list[Entry] = []
        for entry in request.entries:
            share = shares.get(entry.client)
            if share is None:
                raise RefusedError(
                    f"no share of {to_hex(entry.client)} here", code="E_SHARE_MISSING", fault=Party.EDGE_SERVER
                )
            entries.append((share, entry.nonce, entry.weight))
        return RoundScheme.of(plan, spec.committee).partial_key(self._checks.number(spec), entries)

    def _spec(self, task: int) -> TaskSpec:
        self._compared()
        spec = self._records.spec(task)
        if spec is None:
            raise RefusedError(f"task {task} is not known here", code="E_NOT_FOUND", fault=Party.EDGE_SERVER)
        return spec
