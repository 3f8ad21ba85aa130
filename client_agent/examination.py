"""What a phone looks at before its owner is asked: the task, this account's place in it, policy, data and pace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from client_agent.binding import TaskBinding
from client_agent.consent import Disclosure, disclose
from client_agent.followed_task import FollowedTask
from client_agent.journal import AgentJournal
from client_agent.place import EnrolmentOverError, require_place
from client_agent.policy import Policy, check_total
from client_agent.privacy.ledger import PrivacyLedger
from client_agent.schedule import check_pace
from client_agent.training.trainers import Household
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import TaskPosted
from protocol.messages.task import TaskSpec
from protocol.round.planning import check_terms
from protocol.task.owner_limits import check_task
from protocol.task.runnable import check_runnable
from protocol.task.work import work_of
from storage.ledger.interface import Ledger


@dataclass
class Examination:
    """Of one task by one phone; nothing is sent and nothing kept."""

    ledger: Ledger
    followed: FollowedTask
    journal: AgentJournal
    privacy: PrivacyLedger
    data_set: str
    policy: Policy
    measure: Callable[[TaskSpec], float]  # seconds that a round takes this phone with the most examples
    client: Address

    def require_task(self) -> None:
        """Raises EnrolmentOverError for a task that there is not."""
        if self.followed.state.posted is None:
            task, domain = self.followed.state.task, self.ledger.domain
            where = f"on ledger {to_hex(domain.ledger)} of chain {domain.chain_id}"
            raise EnrolmentOverError(f"no task {task} {where}: check both numbers", code="E_NOT_FOUND")

    @property
    def posted(self) -> TaskPosted:
        posted = self.followed.state.posted
        assert posted is not None  # else there is no spec either
        return posted

    def binding(self) -> TaskBinding:
        return TaskBinding.of(self.ledger.domain, self.followed.state.task, self.posted.terms.spec)

    def disclosure(self, spec: TaskSpec, household: Household) -> Disclosure:
        """A phone that may not, or cannot, take part for the whole task does not begin with it: raises why."""
        binding, spending = self.binding(), self.privacy.spending()
        self.require_place()
        check_terms(self.posted.terms, spec)
        check_runnable(spec)
        self.check_policy(spec)
        examples = household.check()
        check_pace(spec.schedule, self.measure(spec))
        return disclose(spec, binding, examples, self.data_set, spending, self.policy.privacy)

    def require_place(self) -> None:
        """Raises PlaceError."""
        kept, terms, now = self.journal.envelopes.values(), self.posted.terms, self.followed.now
        require_place(self.ledger, self.followed.state.task, terms, self.client, kept, now)

    def check_policy(self, spec: TaskSpec) -> None:
        """Raises PolicyError for a task that this phone may not enrol for, whatever its owner says now."""
        check_task(self.policy, spec, self.ledger.domain, work_of(spec))
        limits = self.policy.privacy
        afterwards = self.privacy.spending().with_task(self.data_set, self.binding(), spec)
        check_total(limits, afterwards.figure(self.data_set, limits.total_delta_exponent))
