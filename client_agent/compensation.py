"""What a phone is owed for a round that was not published: it proves to the ledger that it had committed, by itself.

It needs nobody for that: its place in the cohort and its leaf of the batch are in its journal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from client_agent.credit import fetch_credit
from client_agent.followed_task import FollowedTask
from client_agent.journal import AgentJournal, Sealed
from client_agent.membership import PATIENCE_SECONDS
from client_agent.missed_rounds import recovered
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.chain import Event
from protocol.messages.submission import BatchLeaf, CommitmentBatch
from protocol.round.commitments import batch_leaf_of, batch_root
from protocol.task.documents import Absent, Kind
from protocol.task.round_facts import RoundFacts
from storage.ledger.interface import Ledger, TransactionRevertedError, UnansweredError

SENDS: Final = 3  # transactions for one round, before it is left to the owner
RETRY_SECONDS: Final = 30  # between two of them
EXPIRY_SECONDS: Final = 60  # after the end of a round that nobody ends, until this phone does


@dataclass
class Compensation:
    """Of one account in one task. The chain says what is paid; so nothing is asked for twice."""

    ledger: Ledger
    journal: AgentJournal
    followed: FollowedTask
    client: Address
    tell: Callable[[str], None]
    _made: dict[tuple[int, bool], int] = field(default_factory=dict)  # transactions, by round and whether it runs
    _next: dict[tuple[int, bool], int] = field(default_factory=dict)  # seconds of block time: not before
    _told: set[str] = field(default_factory=set)

    def step(self, now: int) -> float | None:
        """At most one transaction for each round; when to come again, None when nothing is to be had any more."""
        posted = self.followed.state.posted
        if posted is None or now > posted.claim_until:
            return None
        numbers = self.journal.sealed.keys() | set(range(1, self.journal.passed + 1))
        rounds = [self.followed.state.round(number) for number in sorted(numbers)]
        deadlines = [self._of_round(facts, now) for facts in rounds if facts is not None and self._owed(facts)]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _owed(self, facts: RoundFacts) -> int:
        """What the ledger pays for a round once it ends without being published, in smallest units."""
        posted = self.followed.state.posted
        assert posted is not None  # there was a round
        sealed = self._sealed(facts) if facts.settled is None else None
        delivered = sealed is not None and sealed.commitment.commitment.label == facts.opened.label
        return facts.compensation(posted.terms) if delivered else 0

    def _sealed(self, facts: RoundFacts) -> Sealed | None:
        """From the journal or, of a round that the phone of a backup may have been in, from chain and content."""
        kept = self.journal.sealed.get(facts.number)
        if kept is None and facts.number <= self.journal.passed:
            kept = recovered(self.followed, facts, self.client)
        return kept

    def _of_round(self, facts: RoundFacts, now: int) -> float | None:
        paid = self.followed.state.compensated.get((facts.number, self.client))
        if paid is not None:
            return self._settle(facts.number, paid, paid.amount, now)
        if facts.running:
            ends = facts.opened.settle_until + EXPIRY_SECONDS
            return ends if now <= ends else self._attempt(facts, now, self._expire)
        ended = facts.frozen or facts.ended
        assert isinstance(ended, Event)  # it is not running
        if self._may_vanish(ended):
            return now + PATIENCE_SECONDS
        return self._attempt(facts, now, self._compensate)

    def _settle(self, number: int, paid: Event, amount: int, now: int) -> float | None:
        if self._may_vanish(paid):
            self._made.pop((number, False), None)
            return now + PATIENCE_SECONDS
        fetch_credit(self.ledger, self.followed, self.client, self._tell_once)
        self._tell_once(f"round {number} was not published: received {self.followed.money(amount)} for its update")
        return None

    def _attempt(self, facts: RoundFacts, now: int, send: Callable[[RoundFacts], bool]) -> float | None:
        number, key = facts.number, (facts.number, facts.running)
        made, earliest = self._made.get(key, 0), self._next.get(key, 0)
        if made == SENDS:
            return None
        if now < earliest:
            return min(earliest, now + PATIENCE_SECONDS)
        self._made[key], self._next[key] = made + 1, now + RETRY_SECONDS
        try:
            if not send(facts):
                self._made[key] = SENDS
                return None
        except UnansweredError:  # no attempt: the endpoint may answer the next one
            self._made[key] = made
        except HearthError as error:  # no gas, most likely; it waits until claimUntil
            owed = self.followed.money(self._owed(facts))
            self._tell_once(f"round {number} was not published: {owed} owed for its update, not fetched yet: {error}")
        return now + PATIENCE_SECONDS

    def _expire(self, facts: RoundFacts) -> bool:
        """No server of the task does."""
        leaf = self._leaf(facts)
        if leaf is None and self.client not in facts.directs:
            return False
        self.ledger.expire_round(self.followed.state.task, facts.number)
        return True

    def _compensate(self, facts: RoundFacts) -> bool:
        """False when the ledger never saw the update."""
        task, number, direct = self.followed.state.task, facts.number, self.client in facts.directs
        leaf, sealed = None if direct else self._leaf(facts), self._sealed(facts)
        if sealed is None or (leaf is None and not direct):
            self._tell_once(f"round {number} was not published, and nothing shows that it had this phone's update")
            return False
        if self.ledger.is_compensated(task, number, self.client):
            return True  # by a transaction of an earlier life, or somebody else's
        try:
            self.ledger.compensate(task, number, self.client, sealed.place, leaf)
        except TransactionRevertedError as error:
            if error.name != "NothingToPay":  # else somebody was faster
                raise
        return True

    def _leaf(self, facts: RoundFacts) -> BatchLeaf | None:
        """From the journal, or from the batch if that can be read."""
        sealed = self._sealed(facts)
        if facts.batched is None or sealed is None:
            return None
        signed, kept = sealed.commitment, self.journal.included.get(facts.number)
        if kept is not None and kept.root == facts.batched.root:
            return BatchLeaf(kept.inclusion.index, signed, kept.inclusion.proof)
        batch = self.followed.read(facts.number, Kind.BATCH).batch(facts.number)
        if not isinstance(batch, CommitmentBatch) or signed not in batch.commitments:
            return None
        return batch_leaf_of(batch, self.client) if batch_root(batch) == facts.batched.root else None

    def _may_vanish(self, event: Event) -> bool:
        """The chain may still take it back; without the spec nobody knows how deep it must be."""
        return not isinstance(self.followed.state.spec, Absent) and not self.followed.is_buried(event)

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.tell(text)
