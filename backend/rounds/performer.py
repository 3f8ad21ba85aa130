"""Carries out the moves of one task, one at a time. What it keeps in memory can all be made again after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from backend.aggregation.aggregator import decrypt_sum
from backend.aggregation.verifier import VerifiedSum, verify_updates
from backend.rounds import moves
from backend.rounds.accuracy import Accuracy
from backend.rounds.admission import Admission
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.journal import EdgeJournal
from backend.rounds.key_answers import KeyAnswers, answers_to
from backend.rounds.moves import Knowledge, Move
from backend.rounds.next_move import fits, next_move
from backend.rounds.rederivation import Rederivation
from protocol.canonical import encode
from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.incentives.contribution import Progress
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation, Verdict
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.round.commitments import batch_of, batch_root, commitment_of
from protocol.round.key_request import key_request
from protocol.round.planning import choose_index_set, plan_round
from protocol.round.publication import Aggregate, Settlement, abandon, publish
from protocol.round.scheme import RoundScheme
from protocol.sparse.codec import encode_index_set
from protocol.task.documents import Absent
from protocol.task.fold import BlockMined
from protocol.task.past import allocation_before, best_count, past_before
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, get_document
from storage.history import load_history, there
from storage.ledger.interface import Ledger
from storage.task_reader import TaskReader

PATIENCE_SECONDS = 1  # before a move that failed is tried again; twice as long each time that it fails again
MAX_PATIENCE_SECONDS = 8
ENVELOPE_PATIENCE_SECONDS = 64
REDERIVATION_SECONDS = 60
PHASES: Final[Mapping[type[Move], str]] = {
    moves.OpenRound: "open",
    moves.CommitBatch: "batch",
    moves.VerifyUpdates: "verify",
    moves.RequestKey: "request",
    moves.DecryptSum: "decrypt",
    moves.Publish: "publish",
}

log = structlog.get_logger()


class NotReadyError(HearthError):
    """The move cannot be carried out yet; it is decided upon again."""

    code = "E_NOT_READY"


@dataclass
class Work:
    """Of the round that runs."""

    number: int = 0
    verdict: Verdict | None = None
    total: VerifiedSum | None = None
    answers: KeyAnswers | None = None
    aggregate: Aggregate | None = None
    undecryptable: bool = False


@dataclass
class Performer:
    """One task's. ``seconds``: how long the moves of each round took, by number and kind. Not for threads."""

    ledger: Ledger
    store: ContentStore
    journal: EdgeJournal
    committee: CommitteeClient
    reader: TaskReader
    pause: Callable[[float], None]  # between two looks for a ciphertext
    censored: frozenset[Address] = frozenset()
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.task = self.reader.state.task
        self.seconds: dict[int, dict[str, float]] = {}
        self._work = Work()
        self._admission = Admission(self.store, self.journal, self.committee)
        self._accuracy = Accuracy(self.store)
        self._not_before: dict[type[Move], int] = {}
        self._failures: dict[type[Move], int] = {}  # in a row
        self._underivable: dict[int, int] = {}  # round -> when it may be tried again

    @property
    def state(self) -> TaskState:
        return self.reader.state

    def step(self, now: int) -> Move:
        """Decides and carries out one move; ``now`` in seconds of block time. A failure is told and tried again."""
        move = next_move(self.state, self.knowledge(now), now)
        if isinstance(move, moves.Wait | moves.End):
            return move
        started, number = self.clock(), getattr(move, "number", 0)
        try:
            self._perform(move, now)
        except HearthError as error:
            kind = type(move)
            log.warning("will try again", task=self.task, round=number, move=kind.__name__, error=str(error))
            self._put_off(kind, now)
        else:
            self._failures.pop(type(move), None)
        if number:
            phases, phase = self.seconds.setdefault(number, {}), PHASES.get(type(move), "other")
            phases[phase] = round(phases.get(phase, 0.0) + self.clock() - started, 3)
        return move

    def knowledge(self, now: int) -> Knowledge:
        number, kept = len(self.state.rounds), self.journal.task(self.task)
        if self._work.number != number:
            self._work = Work(number, self.journal.verdict(self.task, number) if number else None)
            if number > 1:
                self.journal.round_done(self.task, number - 1)
        of_round, work, spec = kept.round(number), self._work, self.state.spec
        return Knowledge(
            server=self.ledger.sender,
            missing=bool(self.reader.missing(now)),
            told=not isinstance(spec, Absent) and len(self._admission.told) >= spec.committee.threshold,
            keyed=frozenset() if isinstance(spec, Absent) else kept.keyed(len(spec.committee.members)),
            acceptances=kept.holders,
            shown=frozenset(self._admission.shown),
            refused=kept.refused,
            submissions=frozenset(of_round.promised(self.state.rounds[-1].opened.label)) if number else frozenset(),
            censored=self.censored,
            closed=of_round.closed,
            verdict=work.verdict,
            summed=work.total is not None,
            decrypted=work.aggregate is not None,
            undecryptable=work.undecryptable,
            underivable={round_: until for round_, until in self._underivable.items() if now < until},
            not_before={kind: until for kind, until in self._not_before.items() if now < until},
        )

    def _perform(self, move: Move, now: int) -> None:
        match move:
            case moves.Fetch():
                self.reader.fetch(now)
            case moves.ReadTimes(blocks):
                self.reader.add(*(BlockMined(block, self.ledger.block_timestamp(block)) for block in blocks))
            case moves.ShowTask():
                if not self._admission.show_task(self.task, self._spec()):
                    raise NotReadyError("too few key authorities have the task")
            case moves.AskKeys(window):
                if not self._admission.ask_keys(self.task, self._spec(), window):
                    raise NotReadyError(f"an authority has no key of window {window} yet")
            case moves.ShowEnvelopes(clients):
                if not self._admission.show_envelopes(self.state, self._spec(), clients):
                    raise NotReadyError("an authority or an envelope is away")
            case moves.OpenRound(number, cohort):
                self._open_round(number, cohort)
            case moves.CommitBatch(number):
                self._commit_batch(self.state.rounds[number - 1], now)
            case moves.VerifyUpdates(number):
                self._verify_updates(number)
            case moves.RequestKey(number):
                _, committed, verdict = self._decided(number)
                request = key_request(self._plan(number), committed, verdict.accepted)
                self.ledger.request_key(self.task, number, request.digest())
            case moves.DecryptSum(number):
                self._decrypt_sum(number)
            case moves.Publish(number):
                self._publish(number)
            case moves.Abandon(number):
                self._abandon(self.state.rounds[number - 1])
            case moves.Expire(number):
                self.ledger.expire_round(self.task, number)
            case moves.Rederive(number):
                if not self._rederivation().run(number, self._best(number)):
                    self._underivable[number] = now + REDERIVATION_SECONDS

    def _put_off(self, kind: type[Move], now: int) -> None:
        longest = MAX_PATIENCE_SECONDS if kind is not moves.ShowEnvelopes else ENVELOPE_PATIENCE_SECONDS
        failures = self._failures[kind] = self._failures.get(kind, -1) + 1
        self._not_before[kind] = now + min(longest, PATIENCE_SECONDS * 2 ** min(failures, 10))

    def _open_round(self, number: int, cohort: Mapping[Address, int]) -> None:
        """The plan, from public data alone; its hash is the label, and the label goes on chain."""
        spec, history = self._spec(), load_history(self.state, there(past_before(self.state, number)), self.store)
        indices = choose_index_set(spec, number, history)
        index_set = self.store.put(encode_index_set(indices)).digest
        plan = plan_round(spec, self.ledger.domain, self.task, number, cohort, history, index_set, len(indices))
        digest = self.store.put(encode(plan)).digest
        self.ledger.open_round(self.task, number, digest, plan.label(), plan.cohort.root, plan.cohort.count)

    def _commit_batch(self, facts: RoundFacts, now: int) -> None:
        """One Merkle root for all commitments that were taken; inclusion proofs follow from it."""
        # more may have come, with receipts
        submissions = self.journal.close_batch(self.task, facts.number, facts.opened.label)
        last = facts.opened.commit_until - self._spec().durations.objection_seconds
        if facts.batched is not None or facts.requested is not None or now > last or not submissions:
            return
        plan = self._plan(facts.number)
        batch = batch_of(commitment_of(plan, submission) for submission in submissions.values())
        digest, count = self.store.put(encode(batch)).digest, len(batch.commitments)
        self.ledger.commit_batch(self.task, facts.number, batch_root(batch), digest, count)

    def _verify_updates(self, number: int) -> None:
        """The accepted set is decided once; after a restart the same set is added up again."""
        committed, decided, stale = self._committed(number), self._work.verdict, None
        if decided is not None and not fits(decided, committed):
            decided, stale = None, decided
        verdict, total = verify_updates(self.store, self._scheme(number), committed, self.pause, decided)
        if decided is None:
            self._work.verdict = self.journal.keep_verdict(self.task, number, verdict, stale)
        self._work.total = total
        if total.clients != set(verdict.accepted):
            self._work.undecryptable = True  # an accepted ciphertext is gone

    def _decrypt_sum(self, number: int) -> None:
        spec, (plan, committed, verdict) = self._spec(), self._decided(number)
        request, total = key_request(plan, committed, verdict.accepted), self._work.total
        assert total is not None  # decided upon only once it is there
        answers = self._work.answers = answers_to(request, plan, spec.committee, self._work.answers)
        answers.ask(self.committee)
        if not answers.enough:
            raise NotReadyError("too few key authorities see the request, or answer it")
        layout, partials = Layout.of(spec.model), {j: answer.residues for j, answer in answers.partials.items()}
        indices = self._rederivation().indices(number)
        parameters = layout.from_safetensors(get_document(self.store, plan.model, layout.max_bytes))
        try:
            self._work.aggregate = decrypt_sum(self._scheme(number), request, total, partials, indices, parameters)
        except EncryptionError:
            self._work.undecryptable = len(partials) == len(spec.committee.members)
            raise

    def _publish(self, number: int) -> None:
        spec, (plan, _, verdict) = self._spec(), self._decided(number)
        aggregate, answers = self._work.aggregate, self._work.answers
        assert aggregate is not None  # decided upon only once it is there
        assert answers is not None
        for j in aggregate.accused:
            log.warning("a key authority lied", authority=to_hex(spec.committee.members[j - 1]))
        progress = Progress(self._best(number), *self._accuracy.count(spec, aggregate.parameters))
        before = self._allocation_before(number)
        answered = answers.request, answers.sightings, answers.partials
        settlement = publish(spec, plan, verdict, *answered, aggregate, before, progress)
        self._put(settlement)
        assert settlement.publication is not None  # of a round that is published
        self.ledger.publish_round(self.task, number, settlement.publication)

    def _abandon(self, facts: RoundFacts) -> None:
        """Ends a round that cannot be decrypted in time."""
        plan, _, verdict = self._decided(facts.number)
        requested = facts.requested.request if facts.requested else ZERO_DIGEST
        settlement = abandon(self._spec(), plan, verdict, requested, self._allocation_before(facts.number))
        self._put(settlement)
        record, root, allocated = settlement.record_digest, settlement.root, settlement.allocated
        self.ledger.abandon_round(self.task, facts.number, record, root, allocated)

    def _put(self, settlement: Settlement) -> None:
        for document in settlement.documents:
            self.store.put(document)

    def _best(self, number: int) -> int:
        """Most right answers of any model before the round, the initial one included."""
        return max(self._accuracy.initial(self._spec()), best_count(self.state, number))

    def _decided(self, number: int) -> tuple[RoundPlan, dict[Address, SignedCommitment], Verdict]:
        verdict = self._work.verdict
        assert verdict is not None  # moves that need one are decided upon only once it is there
        return self._plan(number), self._committed(number), verdict

    def _rederivation(self) -> Rederivation:
        return Rederivation(self.store, self.committee, self.reader, self.pause)

    def _scheme(self, number: int) -> RoundScheme:
        return RoundScheme.of(self._plan(number), self._spec().committee)

    def _spec(self) -> TaskSpec:
        return there(self.state.spec)

    def _plan(self, number: int) -> RoundPlan:
        return there(self.state.plan(number))

    def _committed(self, number: int) -> dict[Address, SignedCommitment]:
        return there(self.state.committed(number))

    def _allocation_before(self, number: int) -> Allocation:
        return there(allocation_before(self.state, number))
