"""The phone's main path: read the task, tell the owner, enrol, take part in every round, claim, or leave.

The chain says what comes next, and :meth:`Agent.step` does one bounded piece of it without sleeping. Every step may be
repeated after a kill: what is durable is not done twice, and one label never sees two updates.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from client_agent.agreement import Agreement, Show
from client_agent.binding import FolderBoundError
from client_agent.compensation import Compensation
from client_agent.delivery import Delivery
from client_agent.edge_client import EdgeClient
from client_agent.entitlements import Entitlements
from client_agent.examination import Examination
from client_agent.followed_task import DocumentAbsentError, FollowedTask
from client_agent.journal import AgentJournal
from client_agent.membership import PATIENCE_SECONDS, Membership
from client_agent.news import News
from client_agent.participation import Participation, TooLateError
from client_agent.payout import Payout
from client_agent.place import PlaceError, why_over
from client_agent.policy import Policy
from client_agent.privacy.ledger import PrivacyLedger
from client_agent.restoration import Restoration
from client_agent.schedule import Schedule
from client_agent.stake import fetch_stake
from client_agent.training.trainers import Household
from client_agent.watch import Watch
from protocol.errors import HearthError, PolicyError
from protocol.identifiers import Label
from protocol.messages.submission import Leave, SignedLeave
from protocol.messages.task import TaskSpec
from protocol.randomness import Randomness
from protocol.round.scheme import prepare
from protocol.task.documents import Absent, Kind
from protocol.task.ending import is_over
from protocol.task.owner_limits import check_task
from protocol.task.round_facts import RoundFacts
from protocol.task.stopping import stopped_after
from protocol.task.work import work_of
from protocol.text import shown
from storage.content.interface import ContentStore
from storage.ledger.deposits import FundsError
from storage.ledger.interface import Head, Ledger
from storage.ledger.signer import Signer

log = structlog.get_logger()
MAX_DOUBLINGS: Final = 4  # of the patience between two attempts at something that goes on failing
MAX_CLAIM_SECONDS: Final = 10  # between two looks at what can be claimed: a chain's clock may jump
Phase = Callable[[int, int], float | None]
REFUSALS: Final = (PlaceError, FolderBoundError, FundsError, PolicyError)  # no later step changes them


@dataclass
class Agent:
    """One household's phone. All its contacts with the world are arguments."""

    task: int
    signer: Signer
    ledger: Ledger
    store: ContentStore
    edge: EdgeClient
    journal: AgentJournal
    privacy: PrivacyLedger
    data_set: str  # of the household: what this phone would train on
    policy: Policy
    proofs: Path  # folder for proofs of an edge server's breaches
    make_trainer: Callable[[TaskSpec], Household]
    measure: Callable[[TaskSpec], float]  # seconds that a round takes this phone with the most examples
    randomness: Randomness
    tell: Callable[[str], None]
    agree: Callable[[str], bool]  # asks the owner a question: after the disclosure and before anything is sent
    voucher_code: bytes = b""  # of the household's appliance, where the task needs vouchers
    show: Show = lambda _: None  # gets the disclosure itself, just before it is told
    poll_seconds: int = 20
    look: Callable[[], Head] | None = None  # asks for the chain's head, in the ledger's place
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    bytes_per_round: dict[int, int] = field(default_factory=dict)
    agreed: bool = True  # False once the owner does not: nothing was sent

    def __post_init__(self) -> None:
        self.address = self.signer.address
        self.followed = FollowedTask(self.ledger, self.store, self.task, self.address, self.look)
        self.agreement = Agreement(self.ledger.domain, self.signer, self.journal, self.tell, self.agree, self.show)
        self.entitlements = Entitlements(self.address, self.edge, self.followed)
        self.examination = Examination(
            self.ledger, self.followed, self.journal, self.privacy, self.data_set, self.policy, self.measure,
            self.address,
        )  # fmt: skip
        self.membership = Membership(
            self.signer, self.ledger, self.store, self.edge, self.journal, self.followed, self.randomness, self.tell,
            self.voucher_code,
        )  # fmt: skip
        self.participation = Participation(
            self.ledger.domain, self.signer, self.store, self.journal, self.followed, self.entitlements,
            self.edge, self.randomness, self.privacy, self.policy, self.tell,
        )  # fmt: skip
        self.schedule = Schedule(self.randomness)
        self.watch = Watch(self.ledger, self.edge, self.journal, self.followed, self.proofs, self.tell)
        self.news = News(self.edge, self.watch)
        self.delivery = Delivery(self.ledger, self.store, self.edge, self.journal, self.followed, self.watch, self.tell)
        self.payout = Payout(self.ledger, self.edge, self.followed, self.entitlements, self.tell)
        self.compensation = Compensation(self.ledger, self.journal, self.followed, self.address, self.tell)
        self.restoration = Restoration(
            self.ledger.domain, self.signer, self.journal, self.privacy, self.followed, self.edge, self.tell,
        )  # fmt: skip
        self._phases: deque[Phase] = deque([self._consent, self._enrol, self._rounds, *self._last_phases()])
        self._over: set[Label] = set()  # of rounds that this phone is done with
        self._begun: set[Label] = set()  # of rounds whose update it began to send
        self._failures = 0  # in a row
        self._told: set[str] = set()  # codes of errors that the owner knows of
        self._counted = 0  # bytes sent up to the end of the last round taken part in

    def run(self) -> bool:
        """The whole task, from consent to the last claim. False when the owner does not agree: nothing was sent."""
        while True:
            begun = self.clock()
            deadline = self.step(self.poll_seconds)
            if deadline is None:
                return self.agreed
            # from the beginning of the step on: how long it worked must not show
            self.sleep(max(0.0, begun + deadline - self.followed.now - self.clock()))

    def step(self, wait_seconds: int = 0) -> float | None:
        """One look at the chain and one bounded piece of work; when to come again at the latest, None when all is done.

        Times are seconds of block time. ``wait_seconds``: how long an edge server may keep a long poll open. Raises
        what keeps this phone out of the task, as long as it is not in; later nothing that somebody else did.
        """
        if not self._phases:
            return None
        try:
            self.followed.refresh()
            if self.followed.state.posted is not None:  # before all else: a spec that changed is another task
                self.agreement.check(self.examination.binding())
            now = self.followed.now
            deadline = self._phases[0](now, wait_seconds)
        except REFUSALS:
            raise
        except HearthError as error:
            if self.journal.envelope is None and not self.restoration.has_lost_keys():
                raise
            self._failures = min(self._failures + 1, MAX_DOUBLINGS)
            log.warning("will try again", error=str(error))
            if error.code not in self._told:
                self._told.add(error.code)
                self.tell(f"it goes on trying: {error}")
            return self.followed.now + PATIENCE_SECONDS * 2.0**self._failures
        self._failures = 0
        if deadline is None and self._phases:
            self._phases.popleft()
            return now
        return deadline

    def _last_phases(self) -> list[Phase]:
        return [self._claim, self._be_compensated, self._take_stake_back]

    def _consent(self, now: int, _: int) -> float | None:
        self.examination.require_task()
        if self.restoration.has_lost_keys():
            self._phases = deque([self.restoration.leave, *self._last_phases()])
            return now
        spec = self.followed.read(0, Kind.SPEC).spec
        if isinstance(spec, Absent):
            if not is_over(self.followed.state, now) or self.journal.envelope is None:
                raise DocumentAbsentError(Kind.SPEC, spec)
            self._phases = deque([self._consent, *self._last_phases()])  # what is earned needs no spec
            return None
        self._spec, self._trainer = spec, self.make_trainer(spec)
        if self.journal.envelope is not None:
            self._go_on(spec)
            return None
        self.membership.voucher.check(spec)
        if not self.agreement.obtain(self.examination.binding(), self.examination.disclosure(spec, self._trainer)):
            self.agreed = False
            self._phases.clear()
            return None
        self._phases.popleft()
        return self.schedule.enrolment(spec, now)

    def _go_on(self, spec: TaskSpec) -> None:
        """With what was agreed to. An enrolment may be on its way: nothing that this household has stops it now."""
        if self.address not in self.followed.state.enrolled:
            check_task(self.policy, spec, self.ledger.domain, work_of(spec))
        self.agreement.recall()
        try:
            self._trainer.check()
        except Exception as error:  # whatever it is: it comes of this household's data
            why = shown(str(error)) or type(error).__name__
            self.tell(f"the examples that this phone enrolled with are not there as they were. {why}")

    def _enrol(self, now: int, _: int) -> float | None:
        self.restoration.resume(self._spec)
        deadline = self.membership.step(self._spec, now)
        if deadline is None:
            prepare(self._spec, clients=1)  # while others enrol: no round waits for a compiler
            self._counted = self._sent()  # what enrolment took belongs to no update
        return deadline

    def _rounds(self, now: int, wait_seconds: int) -> float | None:
        """Of the round that runs, whatever this phone has not done yet; or wait for the next one."""
        state = self.followed.state
        self.restoration.require_alone()
        self.news.check()
        self.watch.check_receipts(now)
        facts = state.current
        if facts is not None and facts.opened.label not in self._over:
            return self._take_part(facts, now, wait_seconds)
        self.compensation.step(now)
        rounds_left = state.left.get(self.address)
        left = rounds_left is not None and (facts is None or facts.number > rounds_left)
        if left or (is_over(state, now) and (facts is None or now > self._claim_until())):
            self.tell(why_over(self.ledger.task(self.task), self.task, left, now))
            return None
        if facts is None and stopped_after(state) is not None:
            return self._leave_stopped(now)
        return self.news.wait(state, now, wait_seconds)

    def _leave_stopped(self, now: int) -> float:
        """No round comes any more, which the ledger does not know: it pays the whole of who has left, and frees it."""
        leave = Leave(self.task, self.address)
        self.edge.leave(SignedLeave(leave, self.signer.sign(self.ledger.domain, leave)))
        return now + PATIENCE_SECONDS

    def _take_part(self, facts: RoundFacts, now: int, wait_seconds: int) -> float:
        number, sealed = facts.number, self.journal.sealed.get(facts.number)
        if self.restoration.has_passed(number):
            self._over.add(facts.opened.label)
            return now
        if not self.followed.is_buried(facts.opened):
            return now + PATIENCE_SECONDS
        instant = self.schedule.instant(self._spec, facts.opened, now, sealed is not None)
        if sealed is None and facts.requested is None and now <= facts.opened.commit_until:
            if self._seal(facts, instant):
                return instant
        elif sealed is not None and sealed.commitment.commitment.label == facts.opened.label:
            if now < instant:
                return instant
            self._show_missed(facts, instant, now)
            deadline = self.delivery.step(self._spec, facts, sealed, now, wait_seconds)
            if deadline is not None:
                return deadline
            sent = self._sent()
            self.bytes_per_round[number] = self.delivery.stored.get(number, 0) + sent - self._counted
            self._counted = sent
        self._over.add(facts.opened.label)
        return now

    def _seal(self, facts: RoundFacts, instant: int) -> bool:
        """Whether there is an update to send, at this instant. One that only gas could still bring in is none."""
        number, charged = facts.number, self.participation.is_charged(self._spec, facts.number)
        due = (self.delivery.direct_due if charged else self.delivery.relay_due)(self._spec, facts)
        try:
            if instant > due:
                self.tell(f"round {number}: heard of too late to take part in it; nothing is charged")
            elif self.participation.seal(self._spec, self._trainer, number, due) is not None:
                return True
            else:
                self.tell(f"round {number}: not planned")
        except TooLateError as error:
            self.tell(f"round {number}: left out, and nothing is charged. {error}")
        return False

    def _show_missed(self, facts: RoundFacts, instant: int, now: int) -> None:
        if facts.opened.label not in self._begun and 2 * (now - instant) > self._spec.schedule.training_seconds:
            self.tell(f"round {facts.number}: sent {now - instant} s late; that can tell something about your data")
        self._begun.add(facts.opened.label)

    def _claim(self, now: int, _: int) -> float | None:
        self.compensation.step(now)  # a round may still be frozen meanwhile
        deadline = self.payout.step(now)
        return None if deadline is None else min(deadline, now + MAX_CLAIM_SECONDS)

    def _be_compensated(self, now: int, _: int) -> float | None:
        deadline = self.compensation.step(now)
        return None if deadline is None else min(deadline, now + MAX_CLAIM_SECONDS)

    def _take_stake_back(self, _: int, __: int) -> None:
        posted = self.followed.state.posted
        if posted is not None and posted.terms.stake:
            fetch_stake(self.ledger, self.task, self.address, self.tell)

    def _claim_until(self) -> int:
        posted = self.followed.state.posted
        return posted.claim_until if posted is not None else 0

    def _sent(self) -> int:
        return self.edge.bytes_sent + int(getattr(self.ledger, "bytes_sent", 0))
