"""One task of this server, from the event that posted it until nobody can claim any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from backend.bonds import BondKeeper
from backend.rounds.desk import Desk
from backend.rounds.forgotten import has_forgotten
from backend.rounds.moves import End, Wait
from backend.rounds.next_move import owed_batch
from backend.rounds.performer import Performer
from protocol.errors import HearthError, MalformedError
from protocol.messages.chain import Event, TaskPosted
from protocol.messages.task import TaskSpec
from protocol.task.acting import NEVER
from protocol.task.documents import Absent, Lack
from protocol.task.ending import is_over
from protocol.task.margins import check_durations
from protocol.task.runnable import check_runnable
from protocol.task.state import TaskState
from protocol.task.stopping import stopped_after
from storage.ledger.block_times import measured_block_seconds
from storage.ledger.interface import Ledger, LedgerError, TransactionReceipt

JOIN_SECONDS = 60  # between two attempts at a bond that nothing has happened for: its account may have been funded
SHOWN_SECONDS = 8  # after which a transaction that the chain does not show counts as vanished
BOND_SECONDS = 5  # between two attempts to get back, at the end, what is this server's

log = structlog.get_logger()


@dataclass
class HostedTask:
    """Stepped by one thread at a time; its desk and its state may be read by all. ``refused``: never to be served."""

    posted: TaskPosted
    ledger: Ledger
    performer: Performer
    desk: Desk
    bonds: BondKeeper
    events: tuple[Event, ...] = ()  # all of the task, as of the last look at the chain
    bonded: bool = False
    refused: bool = False
    returned: bool = False  # the bond, at the end
    asked: bool = False  # for the fees, at the end
    _remembered: tuple[Event, ...] | None = None  # as of which the records were compared with the chain
    _tried: tuple[Event, ...] | None = None  # of the last attempt to join: its events
    _again: int = 0  # seconds of block time: the next one, unless something happens before
    _sent: TransactionReceipt | None = None  # of the last move, until the chain shows it
    _sent_until: int = 0  # seconds of block time

    @property
    def state(self) -> TaskState:
        return self.performer.state

    @property
    def served(self) -> bool:
        """Phones may ask for it."""
        return self.bonded and not self.refused

    def hurried(self, now: int) -> bool:
        """The batch that phones have receipts for is due soon, or now, and not on chain yet."""
        state, facts = self.state, self.state.current
        if facts is None:
            return False
        promised = self.performer.journal.task(state.task).round(facts.number).promised(facts.opened.label)
        owed = owed_batch(state, self.ledger.sender, promised, now)
        return owed is not None and owed.quiet_from <= now

    def watch(self, now: int) -> int:
        """Another process of this server drives the task: phones are answered from what chain and content say.

        Block time in seconds of the next look.
        """
        try:
            self._follow()
            self.performer.reader.fetch(now)
            terms, own = self.posted.terms, self.ledger.sender
            self.bonded = self.bonded or not terms.edge_bond or self.ledger.bond(self.posted.task, own).placed
            self.performer.endorsing.recall(self.state)
            self.desk.publish(self.state, now)
        except HearthError as error:
            log.warning("will look again", task=self.posted.task, error=str(error))
        return now + 1

    def step(self, now: int, bonds_of: list[int], deep: Callable[[int], int]) -> int:
        """One move; block time in seconds of the next one, unless something happens before. 0: at once.

        ``bonds_of``: tasks that ask for a bond in the chain's own coin. ``deep``: the last block that counts as
        confirmed after so many confirmations.
        """
        try:
            self._follow()
            if not self.bonded and not self._join(now, bonds_of, deep):
                return NEVER if self.refused else now + 1
            if not self._last_is_shown(now):
                self.desk.publish(self.state, now)
                return now + 1
            move = self.performer.step(now)
            self._sent, self._sent_until = self.performer.sent, now + SHOWN_SECONDS
            self.desk.publish(self.state, now)
            if not isinstance(move, Wait | End):
                return 0
            until = move.until if isinstance(move, Wait) else NEVER
            settled_up = self._fees_are_asked_for(now) and self._bond_is_back(now)
            return until if settled_up else min(until, now + BOND_SECONDS)
        except HearthError as error:
            self._again = 0 if isinstance(error, LedgerError) else self._again
            log.warning("will try again", task=self.posted.task, error=str(error))
            return now + 1

    def _follow(self) -> None:
        """Before anybody is answered from a new state: what was forgotten is signed no more. Raises RecordsError."""
        self.performer.reader.follow(self.events)
        if self._remembered is self.events:
            return
        state, journal = self.state, self.performer.journal
        if has_forgotten(state, journal.task(state.task), self.ledger.sender):
            log.error("the chain has acts that the records have not: an older copy was put back", task=state.task)
            journal.forget(state.task, len(state.rounds))
        self._remembered = self.events

    def _last_is_shown(self, now: int) -> bool:
        """Whether the events are those after the last move: what is decided on older ones is that very move again."""
        if self._sent is not None and (
            now >= self._sent_until or any(event.transaction == self._sent.transaction for event in self.events)
        ):
            self._sent = None
        return self._sent is None

    def _fees_are_asked_for(self, now: int) -> bool:
        """True as well while it is not time for it, or there are none."""
        terms, state = self.posted.terms, self.state
        ended = is_over(state, now) or stopped_after(state) is not None
        if not terms.edge_fee + terms.authority_fee or state.current is not None or not ended:
            return True
        payable_from = state.payable_from()
        if not self.asked and payable_from is not None and now >= payable_from:
            self.desk.claim_fees()
            self.asked = True
        return self.asked

    def _bond_is_back(self, now: int) -> bool:
        """True as well while it is not time to ask for it, or there is none."""
        if not self.posted.terms.edge_bond or self.state.current is not None or not is_over(self.state, now):
            return True
        payable_from = self.state.payable_from()
        if payable_from is not None and now < payable_from:
            return False
        self.returned = self.returned or self.bonds.take_back(self.posted.task)
        return self.returned

    def _join(self, now: int, bonds_of: list[int], deep: Callable[[int], int]) -> bool:
        """True once the spec is read, its event is deep enough, and the bond is placed."""
        self.performer.reader.fetch(now)
        spec = self.state.spec
        if isinstance(spec, Absent):
            if spec.lack is Lack.MALFORMED:
                log.error("task refused", task=self.posted.task)
                self.refused = True
            return False
        if self.posted.block > deep(spec.confirmations):
            return False
        self.performer.ledger = self.ledger.confirmed(spec.confirmations)
        terms = self.posted.terms
        if self._tried is self.events and now < self._again:
            return False
        self._tried, self._again = self.events, now + JOIN_SECONDS
        if not self._can_be_served(spec):
            return False
        self.bonded = self.bonds.place(self.posted.task, terms.token, terms.edge_bond, bonds_of)
        if not self.bonded:
            self._again = NEVER  # its operator's, who is seen to place it
        return self.bonded

    def _can_be_served(self, spec: TaskSpec) -> bool:
        """Whether this server can keep its word, and in time; asked before it gives it, and not again."""
        bonded = self.posted.terms.edge_bond > 0
        if self.state.rounds or (bonded and self.ledger.bond(self.posted.task, self.ledger.sender).placed):
            return True
        try:
            check_runnable(spec)
            if bonded:
                check_durations(spec, measured_block_seconds(self.ledger))
        except MalformedError as error:
            log.error("task refused", task=self.posted.task, error=str(error))
            self.refused = True
        return not self.refused
