"""The decisions of a key authority on screened rounds: what it opens, and which key it gives afterwards."""

from __future__ import annotations

from functools import partial
from typing import Final

from backend.key_authority.chain_checks import ChainChecks, check_cohort_root
from backend.key_authority.evidence import Evidence
from backend.key_authority.histories import Settlement, Settling
from backend.key_authority.policy import AuthorityPolicy, check_task
from backend.key_authority.records import AuthorityRecords
from protocol.canonical import decode, encode
from protocol.encryption.committee import Subset, subsets_without
from protocol.errors import EncryptionError, Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address
from protocol.messages.chain import RoundView
from protocol.messages.keys import KeyRequest, SignedSighting
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.screening import (
    GRAM_KIND,
    MAX_GRAM_REQUEST_BYTES,
    GramRequest,
    PlannedGramRequest,
    ScreeningVerdict,
)
from protocol.messages.task import TaskSpec
from protocol.model.specification import dimension_of
from protocol.round.key_request import check_signatures, kinds_of
from protocol.round.planning import check_plan
from protocol.round.public_vectors import read_public_vectors
from protocol.round.screening_answers import answer_openings
from protocol.round.screening_request import check_beacon_block, check_request_for, gone_before, windows_before
from protocol.round.screening_share import Screener
from protocol.round.screening_verdict import check_screening
from protocol.round.sightings import check_sightings, sighting
from protocol.round.state_table import RoundState
from protocol.round.unscreened import check_unscreened
from protocol.screening.arithmetic import prepare
from protocol.screening.mask import mask_coefficients
from protocol.screening.windows import half_of
from protocol.task.documents import UnderivableError, there
from protocol.task.state import TaskState
from storage.ledger.signer import Signer

MAX_PLANNED_GRAM_BYTES: Final = MAX_PLAN_BYTES + MAX_GRAM_REQUEST_BYTES


class ScreenedRounds:
    """Of one authority. May be shared by threads. Every method raises a HearthError and then has answered nothing."""

    def __init__(
        self,
        checks: ChainChecks,
        records: AuthorityRecords,
        signer: Signer,
        policy: AuthorityPolicy,
        evidence: Evidence,
    ) -> None:
        self._checks, self._records, self._signer, self._policy = checks, records, signer, policy
        self._evidence = evidence

    def check_task(self, spec: TaskSpec) -> None:
        """Before a task is kept: that this authority can answer for it. Raises RefusedError ``E_NO_STORE``;
        EncryptionError for a committee whose masks cannot be."""
        if spec.screening.on:
            self._evidence.check_store()
            mask_coefficients(len(spec.committee.members), spec.committee.threshold, self._checks.number(spec))
            prepare(dimension_of(spec.model))

    def sight(self, task: int, number: int, spec: TaskSpec, body: bytes) -> bytes:
        """A SignedSighting of the GramRequest on chain, which the body must be; there is no second one of its label."""
        request = decode(GramRequest, body, MAX_GRAM_REQUEST_BYTES)
        digest = request.digest()
        _check_screened(spec)
        self._checks.number(spec)
        self._checks.check_bond(task, spec)
        self._checks.screening_requested(task, number, spec.confirmations, request.label, digest)
        self._records.sight(task, number, request.label, GRAM_KIND, digest)
        statement = sighting(task, number, GRAM_KIND, request.label, digest, self._signer.address)
        return encode(SignedSighting(statement, self._signer.sign(self._checks.domain, statement)))

    def open(self, task: int, number: int, spec: TaskSpec, body: bytes) -> bytes:
        """An OpeningAnswer: the same bytes for the same request, for ever."""
        shown = decode(PlannedGramRequest, body, MAX_PLANNED_GRAM_BYTES)
        request, digest = shown.request, shown.request.digest()
        _check_screened(spec)
        view = self._checks.screening_requested(task, number, spec.confirmations, request.label, digest)
        place = task, request.label, GRAM_KIND, digest
        stored = self._records.answer_to(*place)
        if stored is not None:
            return stored
        try:
            return self._opened(task, number, spec, view, shown)
        except EncryptionError as error:
            stored = self._records.answer_to(*place)  # another process may have answered, and gone on, meanwhile
            if error.code != "E_EPOCH" or stored is None:
                raise
            return stored

    def derived(self, task: int, spec: TaskSpec, number: int) -> dict[int, ScreeningVerdict | None]:
        """What the openings of all rounds before ``number`` say; nothing of a task that is not screened."""
        return dict(self._evidence.state(task, spec, number).screened) if spec.screening.on else {}

    def settling(self, task: int, spec: TaskSpec, view: RoundView, plan: RoundPlan, request: KeyRequest) -> Settling:
        """What is kept with the answer to ``request``, whose accepted set is the one that the round's openings say:
        after that answer the keys are gone. All rounds before it are settled when this returns.

        Raises VerificationError, EncryptionError ``E_VERDICT`` and whatever is wrong with the evidence.
        """
        number = plan.round
        state = self._evidence.state(task, spec, number)
        facts = state.rounds[number - 1]
        if facts.requested is None or facts.requested.request != request.digest():
            raise UnderivableError(f"the events of round {number} are behind its view")
        self._catch_up(task, spec, state, number)
        if request.screening == ZERO_DIGEST:
            if facts.screening is None:
                raise _refused("E_VERDICT", "a key is requested, and nobody was asked for openings")
            requested_at = self._checks.reader.block_timestamp(facts.requested.block)
            came = there(state.gram_request(number))
            check_unscreened(spec, plan, request, came, view.settle_until, requested_at)
            return self._records.histories.settling(task, self._settlement(task, spec, state, number, None))
        screening = state.screening(number)
        assert screening is not None  # the request names it
        evidence = there(screening)
        check_screening(state, spec, number, evidence, self._evidence.read)
        if tuple(entry.client for entry in request.entries) != evidence.verdict.accepted:
            raise _refused("E_VERDICT", "the key is requested for others than the openings say")
        settlement = self._settlement(task, spec, state, number, evidence.verdict)
        return self._records.histories.settling(task, settlement)

    def _opened(self, task: int, number: int, spec: TaskSpec, view: RoundView, shown: PlannedGramRequest) -> bytes:
        plan, request, domain = shown.plan, shown.request, self._checks.domain
        digest, j = request.digest(), self._checks.number(spec)
        self._checks.check_bond(task, spec)
        check_task(self._policy, spec)
        check_plan(plan, spec, domain, task, number)
        self._check_request(task, plan, request)
        check_cohort_root(view, plan)
        if view.state is not RoundState.OPEN:
            raise _refused("E_EXPIRED", "the round is beyond its openings")
        self._checks.check_alive(view, RoundState.OPEN)
        seen = partial(sighting, task, number, GRAM_KIND, request.label, digest)
        check_sightings(domain, spec.committee, seen, shown.sightings)
        state = self._evidence.state(task, spec, number)
        event = state.rounds[number - 1].screening
        if event is None or event.request != digest:
            raise UnderivableError(f"the events of round {number} are behind its view")
        check_beacon_block(state.rounds[number - 1], spec.confirmations, self._checks.reader.block_timestamp)
        check_request_for(state, spec, number, request)
        check_signatures(plan, request.entries, self._checks.signer_of(task))
        self._catch_up(task, spec, state, number)
        windows = windows_before(state, spec, number)
        history = self._records.histories.history(task, dimension_of(spec.model), windows)
        public = read_public_vectors(state, spec, number, self._evidence.read)
        held = self._held(spec)
        screener = Screener(spec, plan, j, self._records.shares(task, held, plan.key_epoch))
        answers = screener.answers(request, self._evidence.ciphertext, public, history)
        answer = encode(answer_openings(plan, request, self._signer.address, answers, self._signer.sign))
        return self._records.use_label(
            task, plan.key_epoch, held, request.label, GRAM_KIND, kinds_of(plan), digest, answer
        )

    def _check_request(self, task: int, plan: RoundPlan, request: GramRequest) -> None:
        """The label is the plan's, and the keys of its epoch are here."""
        if request.label != plan.label():
            raise _refused("E_PARAMS", "the request is for another label than the plan's")
        if plan.key_epoch != plan.round or plan.key_epoch < self._records.epoch(task):
            raise _refused("E_EPOCH", f"the keys of epoch {plan.key_epoch} in round {plan.round} are not here")

    def _catch_up(self, task: int, spec: TaskSpec, state: TaskState, number: int) -> None:
        """Settles every round before ``number`` that this authority missed, and erases what is lost, and whose client
        left."""
        histories = self._records.histories
        last = histories.settled(task)
        for settled in range(last, number):
            if settled > last:
                histories.settle(task, self._settlement(task, spec, state, settled, state.screened[settled]))
            if settled and state.rounds[settled - 1].loses_histories:
                histories.forget(task, histories.held(task))
        histories.forget(task, gone_before(state, number))

    def _settlement(
        self, task: int, spec: TaskSpec, state: TaskState, number: int, verdict: ScreeningVerdict | None
    ) -> Settlement:
        """Raises UnderivableError where a ciphertext is not there: whoever asks can put it there."""
        passed = verdict.passed if verdict else ()
        half, dimension = half_of(number, spec.screening.window), dimension_of(spec.model)
        if not passed:
            return Settlement(number, half, verdict, {}, {}, None, dimension)
        windows, begins = windows_before(state, spec, number), half != half_of(number - 1, spec.screening.window)
        counted = {client: 0 if begins else windows.halves(client)[1] for client in passed}
        plan, request = there(state.plan(number)), there(state.gram_request(number))
        screener = Screener(spec, plan, self._checks.number(spec), self._keys(task, spec, plan))
        having = [entry for entry in request.entries if entry.client in counted and entry.client in screener.keys]
        updates = screener.updates(having, self._evidence.ciphertext)
        return Settlement(number, half, verdict, counted, updates, screener.coordinates, dimension)

    def _keys(self, task: int, spec: TaskSpec, plan: RoundPlan) -> dict[Address, dict[Subset, bytes]]:
        """Of the round, none where they are erased: an older copy of the records was put back."""
        try:
            return self._records.shares(task, self._held(spec), plan.key_epoch)
        except EncryptionError as error:
            if error.code != "E_EPOCH":
                raise
            return {}

    def _held(self, spec: TaskSpec) -> tuple[Subset, ...]:
        return subsets_without(len(spec.committee.members), spec.committee.threshold, self._checks.number(spec))


def check_unnamed(spec: TaskSpec, request: KeyRequest) -> None:
    """Of a task that is not screened."""
    if not spec.screening.on and request.screening != ZERO_DIGEST:
        raise VerificationError("a screening is named in a task that has none", fault=Party.EDGE_SERVER)


def _check_screened(spec: TaskSpec) -> None:
    if not spec.screening.on:
        raise _refused("E_KIND", "the task is not screened")


def _refused(code: str, message: str) -> EncryptionError:
    return EncryptionError(message, code=code, fault=Party.EDGE_SERVER)
