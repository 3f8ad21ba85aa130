"""The edge server's main path: drives one task through its rounds.

Every step looks at the chain before it acts, so the server can be killed at any line, started again, and goes on where
chain, content and journal say that it was. It holds no truth: the auditor derives all of it again. While another server
is in charge it only follows; once that one is late, it goes on from wherever the chain is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from backend.aggregation.aggregator import open_sum
from backend.aggregation.verifier import VerifiedSum, verify_updates
from backend.rounds.acting import StandbyError
from backend.rounds.admission import Admission
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.desk import Desk
from backend.rounds.history import RoundFacts, TaskHistory
from backend.rounds.journal import EdgeJournal
from backend.rounds.settlement import Settlement
from protocol.canonical import encode
from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import Address
from protocol.messages.keys import PlannedKeyRequest
from protocol.messages.settlement import Verdict
from protocol.round.commitments import batch_of, batch_root, commitment_of
from protocol.round.key_request import check_quorum, key_request
from protocol.round.planning import choose_index_set, plan_round
from protocol.round.scheme import RoundScheme
from protocol.sparse.codec import encode_index_set
from storage.content.interface import ContentStore
from storage.ledger.interface import Ledger, TransactionRevertedError

MARGIN_SECONDS = 5  # before a deadline of the contract, when the server stops waiting for others

log = structlog.get_logger()


class StoppedError(HearthError):
    """The server is shutting down."""

    code = "E_STOPPED"


@dataclass
class Coordinator:
    """One task. ``run`` is its thread; everything it learns from phones comes through ``desk``."""

    ledger: Ledger
    store: ContentStore
    journal: EdgeJournal
    committee: CommitteeClient
    history: TaskHistory
    desk: Desk
    stop: threading.Event
    tick_seconds: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.settlement = Settlement(self.ledger, self.store, self.history)
        self.admission = Admission(self.store, self.journal, self.committee, self.history)
        self.spec, self.task = self.history.spec, self.history.task

    def run(self) -> None:
        """The whole task, then claims until the claim period is over. A step that fails is tried again."""
        for step in (self.admit_clients, self.run_rounds, self.serve_claims):
            while True:
                try:
                    step()
                    break
                except StoppedError:
                    return
                except HearthError as error:
                    log.warning("will try again", task=self.task, step=step.__name__, error=str(error))
                    if self.stop.wait(2 * self.tick_seconds):
                        return

    def admit_clients(self) -> None:
        """Relays enrolments and shows every envelope to the key authorities, until enrolment is over."""
        self.committee.show_task(self.task, self.spec)
        while True:
            self.look()
            self.admission.collect_acceptances()
            view = self.history.view
            full = len(self.history.enrolled) >= view.max_clients
            if self.history.rounds or full or self.ledger.now() > view.enrol_until:
                return

    def run_rounds(self) -> None:
        """Runs those that this server is in charge of, or may take over; follows the others."""
        while True:
            over = self.task_is_over()  # asked first: then no round can open that the look does not see
            self.look()
            current = self.history.current
            if current is None and over:
                self.desk.end()
                return
            if self.history.may_act(self.ledger.sender):
                self.run_round(current or self.open_round())
            else:
                self.stand_by(current)

    def stand_by(self, current: RoundFacts | None) -> None:
        """Phones learn here of rounds too, and the key authorities' word is at hand when it is needed."""
        if current is not None:
            self.desk.announce(current, standby=True)
        self.admission.collect_acceptances()

    def run_round(self, facts: RoundFacts) -> None:
        """One round from wherever it is to its end."""
        if self.must_batch(facts):
            self.journal.close_batch(self.task, facts.number)  # no receipt for what cannot be in the batch any more
        self.desk.announce(facts)
        with self.timed(facts, "commit"):
            self.batch_commitments(facts)
            self.await_direct_commitments(facts)
        verdict, total = self.judge(facts)
        try:
            self.request_key(facts, verdict)
            self.open_and_publish(facts, verdict, total)
        except EncryptionError as error:
            log.warning("abandoned", task=self.task, round=facts.number, error=str(error))
            self.abandon(facts, verdict)
        self.tick()

    def open_round(self) -> RoundFacts:
        """The plan, from public data alone; its hash is the label, and the label goes on chain."""
        number = len(self.history.rounds) + 1
        started = self.clock()
        cohort = self.cohort(number)
        history, _ = self.history.before(number)
        indices = choose_index_set(self.spec, number, history)
        index_set = self.store.put(encode_index_set(indices)).digest
        plan = plan_round(self.spec, self.ledger.domain, self.task, number, cohort, history, index_set, len(indices))
        digest = self.store.put(encode(plan)).digest
        self.ledger.open_round(self.task, number, digest, plan.label(), len(plan.weights))
        self.tick()
        facts = self.history.rounds[number]
        self.desk.time(number, "plan", self.clock() - started)
        return facts

    def cohort(self, number: int) -> dict[Address, int]:
        """Reputation by client of those whom the round can plan. Waits until they are enough."""
        while True:
            cohort = self.admission.candidates(number)
            if len(cohort) >= self.spec.cohort.min_clients:
                return cohort
            if self.task_is_over():
                raise HearthError("too few clients, and the task's time is over")
            self.admission.collect_acceptances()
            self.tick()

    def batch_commitments(self, facts: RoundFacts) -> None:
        """One Merkle root for all commitments that arrived before the margin; inclusion proofs follow from it."""
        while facts.batch is None and facts.requested is None:
            submissions = self.journal.submissions(self.task, facts.number)
            expected = facts.cohort - facts.directs.keys() - self.desk.censored
            if self.must_batch(facts) or expected <= submissions.keys():
                submissions = self.journal.close_batch(self.task, facts.number)  # more may have come, with receipts
                if not submissions or self.ledger.now() > facts.opened.commit_until:
                    return
                batch = batch_of(commitment_of(facts.plan, submission) for submission in submissions.values())
                digest, count = self.store.put(encode(batch)).digest, len(batch.commitments)
                self.ledger.commit_batch(self.task, facts.number, batch_root(batch), digest, count)
            self.tick()
        self.desk.settle()

    def must_batch(self, facts: RoundFacts) -> bool:
        """The batch cannot wait any longer for those that have not committed."""
        margin = min(MARGIN_SECONDS, max(1, self.spec.durations.commit_seconds // 4))
        return self.ledger.now() >= facts.opened.commit_until - margin

    def await_direct_commitments(self, facts: RoundFacts) -> None:
        """Until everyone has committed or the commit phase is over."""
        while facts.requested is None and facts.cohort - facts.committed().keys():
            if self.ledger.now() > facts.opened.commit_until:
                return
            self.tick()

    def judge(self, facts: RoundFacts) -> tuple[Verdict, VerifiedSum]:
        """The accepted set, decided once, and its sum; after a restart the same set is added again."""
        decided = self.journal.verdict(self.task, facts.number)
        with self.timed(facts, "verify"):
            verdict, total = verify_updates(self.store, self.scheme(facts), facts.committed(), self.pause, decided)
        if decided is None:
            self.journal.keep_verdict(self.task, facts.number, verdict)
        return verdict, total

    def request_key(self, facts: RoundFacts, verdict: Verdict) -> None:
        """Fixes the accepted set on chain. Raises EncryptionError when it must not be opened."""
        request = key_request(facts.plan, facts.committed(), verdict.accepted) if verdict.accepted else None
        weights = [entry.weight for entry in request.entries] if request else []
        check_quorum(weights, facts.plan.min_clients, facts.plan.max_share_ppm)
        while request is not None and facts.requested is None and facts.ended is None:
            try:
                self.ledger.request_key(self.task, facts.number, request.digest())
            except TransactionRevertedError as error:
                if error.name != "TooEarly":
                    raise
            self.tick()

    def open_and_publish(self, facts: RoundFacts, verdict: Verdict, total: VerifiedSum) -> None:
        """The committee's key for exactly this request, the sum, the step; then all of it becomes public."""
        if facts.ended is not None:
            return
        if total.clients != set(verdict.accepted):
            raise EncryptionError("an accepted ciphertext is gone", code="E_UNAVAILABLE")
        request = key_request(facts.plan, facts.committed(), verdict.accepted)
        if facts.requested is not None and facts.requested.request != request.digest():
            raise EncryptionError("the server before requested the key of another set", code="E_NOT_RECORDED")
        position = {member.address: j for j, member in enumerate(self.spec.committee.members, start=1)}
        margin = min(MARGIN_SECONDS, max(1, self.spec.durations.settle_seconds // 4))
        with self.timed(facts, "key"):
            while True:
                found = self.committee.partial_keys(self.spec.committee, PlannedKeyRequest(facts.plan, request))
                answers = {position[authority]: answer for authority, answer in found.items()}
                if len(answers) >= self.spec.committee.threshold:
                    break
                if self.ledger.now() >= facts.opened.settle_until - margin:
                    raise EncryptionError("too few key authorities answer", code="E_SHARES")
                self.admission.collect_acceptances()
                self.tick()
        with self.timed(facts, "aggregate"):
            partials = {j: answer.residues for j, answer in answers.items()}
            parameters = self.history.parameters(facts)
            aggregate = open_sum(self.scheme(facts), request, total, partials, facts.indices, parameters)
        self.await_payout()
        with self.timed(facts, "publish"):
            self.settlement.publish(facts, verdict, request, answers, aggregate)

    def abandon(self, facts: RoundFacts, verdict: Verdict) -> None:
        """Ends a round that cannot be opened: in time as abandoned, too late as expired."""
        while facts.ended is None:
            now = self.ledger.now()
            if now > facts.opened.settle_until:
                self.ledger.expire_round(self.task, facts.number)
            elif facts.requested is not None or now > facts.opened.commit_until:
                self.await_payout()
                try:
                    self.settlement.abandon(facts, verdict)
                except TransactionRevertedError as error:
                    if error.name not in ("TooEarly", "TooLate"):
                        raise
            self.tick()

    def await_payout(self) -> None:
        """Until the payout of the round before can no longer be disputed: the ledger settles one after the other."""
        while self.ledger.now() < self.ledger.task(self.task).payable_from:
            self.tick()

    def serve_claims(self) -> None:
        """Relays what phones ask for until nobody can claim any more."""
        while self.ledger.now() <= self.history.view.claim_until:
            self.look()

    def scheme(self, facts: RoundFacts) -> RoundScheme:
        return RoundScheme.of(facts.plan, self.spec.committee)

    def task_is_over(self) -> bool:
        return len(self.history.rounds) >= self.spec.rounds or self.ledger.now() > self.history.view.task_until

    def tick(self) -> None:
        """A look by the server that acts. Raises StandbyError once it must not: another one was faster."""
        self.look()
        if not self.history.may_act(self.ledger.sender):
            raise StandbyError("another edge server is in charge")

    def look(self) -> None:
        """At the chain and at the desk; every wait of this class is made of these."""
        self.desk.relay(self.ledger, self.settlement)
        self.history.refresh()
        current = self.history.current
        if current is not None and self.ledger.now() > current.opened.settle_until:
            self.ledger.expire_round(self.task, current.number)
            self.history.refresh()
        self.desk.settle()
        self.pause(self.tick_seconds)

    def pause(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise StoppedError("stopping")

    @contextmanager
    def timed(self, facts: RoundFacts, phase: str) -> Iterator[None]:
        started = self.clock()
        yield
        self.desk.time(facts.number, phase, self.clock() - started)
