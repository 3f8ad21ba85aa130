"""A phone that came out of a backup: what was done after that is charged, and never done again (ADR 64).

A backup is old. Between it and now the phone that was lost may have joined any round that was opened, so none of these
is joined, all of them are charged, and the keys move on past them before anything else happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from client_agent.copies import require_own
from client_agent.edge_client import EdgeClient
from client_agent.followed_task import FollowedTask
from client_agent.journal import AgentJournal
from client_agent.membership import PATIENCE_SECONDS
from client_agent.missed_rounds import charge_missed, dearest_of, followed_as_dearest, missed_rounds
from client_agent.privacy.ledger import PrivacyLedger
from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.messages.submission import Leave, SignedLeave
from protocol.messages.task import TaskSpec
from protocol.task.ending import is_over
from storage.ledger.signer import Signer


@dataclass
class Restoration:
    """Of one phone in one task; nothing of it happens to a phone that was never restored."""

    domain: Domain
    signer: Signer
    journal: AgentJournal
    privacy: PrivacyLedger
    followed: FollowedTask
    edge: EdgeClient
    tell: Callable[[str], None]

    @property
    def client(self) -> Address:
        return self.signer.address

    def has_lost_keys(self) -> bool:
        """This account enrolled after the backup: what it earned is left, but no round can be joined any more."""
        if not self.journal.is_restored:
            return False
        enrolled = self.followed.state.enrolled.get(self.client)
        return enrolled is not None and enrolled.envelope not in self.journal.envelopes.values()

    def resume(self, spec: TaskSpec) -> None:
        """Once after each restore. Raises what the records, the store and the accountant raise: then nothing is joined.

        A phone joins a round only when the task's confirmations lie upon its opening, so an endpoint that is behind by
        less shows every round that the lost one can have been in.
        """
        if self.journal.is_resumed:
            return
        consented, state = self.journal.consented, self.followed.state
        assert consented is not None  # asked for before
        binding, data_set, own = consented.binding, consented.data_set, self.journal.enrolments
        missed = missed_rounds(self.followed, self.domain, self.client, spec, dearest_of(spec))
        charge_missed(self.privacy, self.followed, binding, self.client, data_set, missed, own)
        kept = followed_as_dearest(spec, missed) if self._follows(spec) else {}
        self.journal.resume(len(state.rounds), kept, enrolled=self.client in state.enrolled)
        self.tell(
            f"restored: takes part from round {len(state.rounds) + 1} on. Every round up to then that was planned for"
            f" this account is charged, which makes {self.privacy.spending().rounds_of(data_set, binding)} of this task"
        )

    def has_passed(self, number: int) -> bool:
        """The phone of the backup may have been in this round, so this one is not; what the backup holds sealed for it
        may be sent again."""
        passed = number <= self.journal.passed and number not in self.journal.sealed
        if passed:
            self.tell(f"round {number}: the phone of the backup may have been in it, so this one is not")
        return passed

    def require_alone(self) -> None:
        """Raises CopyError where the chain has what this account committed to and this phone did not sign."""
        for facts in self.followed.state.rounds[self.journal.passed :]:
            if self.client in facts.directs:  # the contract verified the signature
                require_own(self.journal, facts.direct_commitments()[self.client])

    def leave(self, now: int, _: int = 0) -> float | None:
        """Of a task whose keys are lost: no later round is to wait for this account. None once none does."""
        state = self.followed.state
        if not self.journal.is_resumed:
            self.journal.resume(len(state.rounds), {}, enrolled=False)
            self.tell(
                "the keys of this task are lost with the phone that enrolled: it leaves, and claims what it earned"
            )
        rounds_left, current = state.left.get(self.client), state.current
        if current is not None and (rounds_left is None or current.number <= rounds_left):
            return self._wait(rounds_left is None, now)
        if rounds_left is None and not is_over(state, now):
            return self._wait(True, now)
        return None

    def _wait(self, ask: bool, now: int) -> float:
        if ask:
            leave = Leave(self.followed.state.task, self.client)
            self.edge.leave(SignedLeave(leave, self.signer.sign(self.domain, leave)))
        return now + 10 * PATIENCE_SECONDS

    def _follows(self, spec: TaskSpec) -> bool:
        """Whether its owner's own figures may need these rounds: who trained before and kept none never did."""
        return bool(spec.learning.bayesian.epsilon_micro or self.journal.followed or not self.journal.sealed)
