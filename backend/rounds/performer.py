"""Carries out the moves of one task, one at a time. What it keeps in memory can all be made again after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from backend.aggregation.executor import IN_PROCESS, Executor
from backend.rounds import moves
from backend.rounds.admission import Admission
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.drawing import Drawn, read_beacon
from backend.rounds.endorsing import Endorsing
from backend.rounds.journal import EdgeJournal
from backend.rounds.moves import Knowledge, Move
from backend.rounds.next_move import fits, next_move
from backend.rounds.not_ready import NotReadyError
from backend.rounds.phases import PHASES, READS
from backend.rounds.screening import Screener
from backend.rounds.settling import Settling, Work
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.round.commitments import CommitPhase, batch_of, batch_root
from protocol.round.planning import plan_round
from protocol.round.publication import Settlement
from protocol.round.screening_verdict import levels_before
from protocol.task.documents import Absent, there
from protocol.task.fold import BlockMined
from protocol.task.past import past_before
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.ledger.interface import Ledger, TransactionReceipt, TransactionRevertedError
from storage.task_reader import TaskReader

PATIENCE_SECONDS = 1  # before a move that failed is tried again; twice as long each time that it fails again
MAX_PATIENCE_SECONDS = 8
ENVELOPE_PATIENCE_SECONDS = 64
REDERIVATION_SECONDS = 60
NOBODY: Final = bytes(20)

log = structlog.get_logger()


@dataclass
class Performer:
    """One task's. ``seconds``: how long the moves of each round took, by number and kind; ``sent``: the transaction of
    the last step, where it was one. Not for threads."""

    ledger: Ledger
    store: ContentStore
    journal: EdgeJournal
    committee: CommitteeClient
    reader: TaskReader
    pause: Callable[[float], None]  # between two looks for a ciphertext
    censored: frozenset[Address] = frozenset()
    clock: Callable[[], float] = time.monotonic
    executor: Executor = IN_PROCESS  # of verification and sum

    def __post_init__(self) -> None:
        self.task = self.reader.state.task
        self.seconds: dict[int, dict[str, float]] = {}
        self.sent: TransactionReceipt | None = None
        self._work = Work()
        self._admission = Admission(self.store, self.journal, self.committee)
        self.endorsing = Endorsing(self.store, self.committee, self.journal)
        held = self.store, self.journal, self.committee, self.reader
        self._settling = Settling(self.ledger.domain, *held, self.pause, self.executor)
        self._screening = self._settling.screening
        self._beacon: Drawn | None = None
        self._not_before: dict[type[Move], int] = {}
        self._failures: dict[type[Move], int] = {}  # in a row
        self._underivable: dict[int, int] = {}  # round -> when it may be tried again

    @property
    def state(self) -> TaskState:
        return self.reader.state

    def start_again(self) -> None:
        """From the records, as after a kill: another process has driven this task meanwhile."""
        self._work, self._beacon = Work(), None
        self._admission = Admission(self.store, self.journal, self.committee)

    def step(self, now: int) -> Move:
        """Decides and carries out one move; ``now`` in seconds of block time. A failure is told and tried again."""
        self.sent = None
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
            if not isinstance(move, READS):
                seconds = round(self.clock() - started, 3)
                log.info("moved", task=self.task, round=number, move=type(move).__name__, seconds=seconds)
        if number:
            phases, phase = self.seconds.setdefault(number, {}), PHASES.get(type(move), "other")
            phases[phase] = round(phases.get(phase, 0.0) + self.clock() - started, 3)
        return move

    def knowledge(self, now: int) -> Knowledge:
        number, kept = len(self.state.rounds), self.journal.task(self.task)
        if self._work.number != number:
            verdict = self.journal.verdict(self.task, number) if number else None
            self._work = Work(number, Screener(number), verdict)
            if number > 1:
                self.journal.round_done(self.task, number - 1)
        of_round, work, spec = kept.round(number), self._work, self.state.spec
        screened = isinstance(spec, TaskSpec) and spec.screening.on and bool(number)
        drawn, beacon = self._beacon or (None, None)
        is_read = drawn is not None and drawn == self.state.drawn
        return Knowledge(
            server=self.ledger.sender,
            missing=bool(self.reader.missing(now)) or self.reader.awaits_openings(now),
            told=not isinstance(spec, Absent) and len(self._admission.told) >= spec.committee.threshold,
            keyed=frozenset() if isinstance(spec, Absent) else kept.keyed(len(spec.committee.members)),
            acceptances=kept.holders,
            shown=frozenset(self._admission.shown),
            refused=kept.refused,
            unendorsed=self.is_unendorsed(),
            submissions=frozenset(of_round.promised(self.state.rounds[-1].opened.label)) if number else frozenset(),
            censored=self.censored,
            closed=of_round.closed,
            screened=self._screening.known(work.screener) if screened else moves.Screened(),
            verdict=work.verdict if not screened or self._screening.holds(work.screener) else None,
            summed=work.total is not None,
            keyless=work.keyless,
            opened=work.opened is not None,
            undecryptable=work.undecryptable,
            beacon=beacon if is_read else None,
            overdue=is_read and beacon is None,
            underivable={round_: until for round_, until in self._underivable.items() if now < until},
            not_before={kind: until for kind, until in self._not_before.items() if now < until},
        )

    def is_unendorsed(self) -> bool:
        """Phones of the round that runs wait for the authorities' word on its cohort."""
        facts, spec = self.state.current, self.state.spec
        if facts is None or isinstance(spec, Absent) or isinstance(self.state.plan(facts.number), Absent):
            return False
        return facts.requested is None and not self.endorsing.endorsements(facts.opened.label, spec)

    def _perform(self, move: Move, now: int) -> None:
        match move:
            case moves.Fetch():
                self._put_again()
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
            case moves.DrawCohort():
                self.sent = self.ledger.draw_cohort(self.task)
            case moves.ReadBeacon():
                assert self.state.drawn is not None  # decided upon only while there is one
                self._beacon = read_beacon(self.ledger, self.state.drawn, self._spec().confirmations)
                if self._beacon is None:
                    self._not_before[moves.ReadBeacon] = now + 1
            case moves.OpenRound(number, cohort):
                self._open_round(number, cohort)
            case moves.AskEndorsements(number):
                if not self.endorsing.ask(self.state, self._spec(), number):
                    self._settling.restore()
                    raise NotReadyError("too few key authorities endorse the cohort")
            case moves.CommitBatch(number):
                self._commit_batch(self.state.rounds[number - 1], now)
            case moves.VerifyUpdates(number):
                committed = there(self.state.committed(number))
                self._settling.verify(self._work, lambda verdict: fits(verdict, committed))
            case moves.ExamineUpdates():
                self._screening.examine(self._work.screener)
            case moves.RequestScreening(number):
                self._request_screening(number, now)
            case moves.AskOpenings():
                self._settling.screen(self._work, self._screening.ask(self._work.screener))
            case moves.GoUnopened():
                self._settling.screen(self._work, self._screening.go_unopened(self._work.screener))
            case moves.RequestKey(number):
                self._request_key(number)
            case moves.FollowRequest():
                self._settling.follow(self._work)
            case moves.DecryptSum():
                self._settling.open(self._work)
            case moves.Publish(number):
                settlement = self._settling.publication(self._work, self.ledger.sender)
                self._put(settlement)
                assert settlement.publication is not None  # of a round that is published
                self.sent = self.ledger.publish_round(self.task, number, settlement.publication)
            case moves.Abandon(number):
                settlement = self._settling.abandonment(self._work)
                self._put(settlement)
                record, root, allocated = settlement.record_digest, settlement.root, settlement.allocated
                self.sent = self.ledger.abandon_round(self.task, number, record, root, allocated)
            case moves.Expire(number):
                self.sent = self.ledger.expire_round(self.task, number)
            case moves.Rederive(number):
                if not self._settling.rederivation().run(number, self._settling.best(number)):
                    self._underivable[number] = now + REDERIVATION_SECONDS

    def _put_off(self, kind: type[Move], now: int) -> None:
        longest = MAX_PATIENCE_SECONDS if kind is not moves.ShowEnvelopes else ENVELOPE_PATIENCE_SECONDS
        failures = self._failures[kind] = self._failures.get(kind, -1) + 1
        self._not_before[kind] = now + min(longest, PATIENCE_SECONDS * 2 ** min(failures, 10))

    def _open_round(self, number: int, cohort: Mapping[Address, int]) -> None:
        """The plan, from public data alone; its hash is the label, and the label goes on chain."""
        self._beacon = None  # read again when this fails: it may be too late
        past, where = there(past_before(self.state, number)), (self.ledger.domain, self.task, number)
        learning = self._settling.learning(past.model)
        levels = levels_before(self.state, number) if self._spec().screening.on else None
        plan = plan_round(self._spec(), *where, cohort, past.model, past.previous_label, learning, levels)
        digest = self.store.put(encode(plan)).digest
        self.journal.keep_opening(self.task, number)
        self.sent = self.ledger.open_round(self.task, number, digest, plan.label(), plan.cohort.root, plan.cohort.count)

    def _commit_batch(self, facts: RoundFacts, now: int) -> None:
        """One Merkle root for all commitments that were taken; inclusion proofs follow from it."""
        # more may have come, with receipts
        submissions = self.journal.close_batch(self.task, facts.number, facts.opened.label)
        last = facts.opened.commit_until - self._spec().durations.objection_seconds
        if facts.batched is not None or not facts.commits or now > last or not submissions:
            return
        plan = there(self.state.plan(facts.number))
        batch = batch_of(map(CommitPhase.of(plan).commitment_of, submissions.values()))
        digest, count = self.store.put(encode(batch)).digest, len(batch.commitments)
        self.sent = self.ledger.commit_batch(self.task, facts.number, batch_root(batch), digest, count)

    def _put_again(self) -> None:
        """Should the content store have lost it: this server's bond depends on what is in its batch."""
        facts = self.state.current
        if facts is not None:
            self._screening.put_again(facts.number)
        if facts is None or facts.batched is None or not isinstance(self.state.batch(facts.number), Absent):
            return
        plan, kept = self.state.plan(facts.number), self.journal.task(self.task).round(facts.number)
        submissions = kept.promised(facts.opened.label).values()
        if isinstance(plan, RoundPlan) and submissions:
            batch = encode(batch_of(map(CommitPhase.of(plan).commitment_of, submissions)))
            if cid_of(batch).digest == facts.batched.batch:
                self.store.put(batch)

    def _request_screening(self, number: int, now: int) -> None:
        found = self._screening.request(self._work.screener, self.ledger)
        if found is None:
            self._not_before[moves.RequestScreening] = now + 1
            return
        with self._bonds_missed():
            self.sent = self.ledger.request_screening(self.task, number, *found)

    def _request_key(self, number: int) -> None:
        """The request is in content before its digest is on chain: everybody can read whose sum may be opened."""
        request = self._settling.request(self._work)
        self.store.put(encode(request))
        with self._bonds_missed():
            self.sent = self.ledger.request_key(self.task, number, request.digest())

    @contextmanager
    def _bonds_missed(self) -> Iterator[None]:
        try:
            yield
        except TransactionRevertedError as error:
            self._work.keyless = error.name == "BondMissing" and error.arguments[1:] == (NOBODY,)  # of authorities
            raise

    def _put(self, settlement: Settlement) -> None:
        for document in settlement.documents:
            self.store.put(document)

    def _spec(self) -> TaskSpec:
        return there(self.state.spec)
