"""A round's plan as far as it concerns this phone: shown by a server and endorsed by the authorities, in a size that
does not grow with the cohort; or else derived by the phone itself, from the chain and the whole plan in content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.followed_task import DocumentAbsentError, FollowedTask
from protocol.cohort import CohortTree, own_place
from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address
from protocol.messages.round import CohortPlace, PlanHead, ShownPlan
from protocol.messages.task import TaskSpec
from protocol.round.eligibility import check_rostered
from protocol.round.endorsing import check_endorsements
from protocol.round.planning import check_plan
from protocol.task.documents import Absent, Kind
from protocol.task.round_facts import RoundFacts

log = structlog.get_logger()
WAIT_SECONDS: Final = 5  # for the authorities' word


@dataclass(frozen=True, slots=True)
class PlannedRound:
    """``place``: in the cohort; None of a phone that is not planned."""

    plan: PlanHead
    place: CohortPlace | None


@dataclass
class PlannedRounds:
    """Of one account in one task."""

    domain: Domain
    client: Address
    edge: EdgeClient
    followed: FollowedTask

    def of(self, spec: TaskSpec, facts: RoundFacts) -> PlannedRound:
        """Raises DocumentAbsentError, StoreUnavailableError; VerificationError for a cohort that is not as it must be.

        Whether the plan's terms are the task's is checked elsewhere."""
        shown = self._shown(spec, facts)
        if shown is not None:
            return shown
        self.followed.read(facts.number, Kind.PLAN)
        whole = self.followed.whole()
        plan = whole.plan(facts.number)
        if isinstance(plan, Absent):
            raise DocumentAbsentError(Kind.PLAN, plan)
        check_on_chain(plan, facts)
        check_plan(plan, spec, self.domain, whole.task, facts.number)
        check_rostered(whole, spec, plan)
        return PlannedRound(
            plan.head(), own_place(plan.cohort, self.client, CohortTree(plan.weights).places(self.client))
        )

    def _shown(self, spec: TaskSpec, facts: RoundFacts) -> PlannedRound | None:
        """None where no server shows anything that is to be believed."""

        def check(shown: ShownPlan) -> PlannedRound:
            plan = shown.plan
            if plan.label() != facts.opened.label:
                raise VerificationError("the plan is not the one whose label is on chain", fault=Party.EDGE_SERVER)
            check_on_chain(plan, facts)
            where = self.followed.state.task, facts.number, facts.opened.label
            check_endorsements(self.domain, spec.committee, *where, shown.endorsements)
            return PlannedRound(plan, own_place(plan.cohort, self.client, shown.places))

        wait = min(WAIT_SECONDS, max(1, spec.schedule.training_seconds // 4))
        try:
            found = self.edge.shown_plan(self.followed.state.task, facts.number, self.client, check, wait)
        except (EdgeUnavailableError, EdgeRefusedError) as error:
            log.info("no edge server shows the plan", round=facts.number, error=str(error))
            return None
        if found is None:
            log.info("too few authorities endorse the cohort", round=facts.number)
        return found


def check_on_chain(plan: PlanHead, facts: RoundFacts) -> None:
    """Places are proven against the chain's root: to commit without the server, and to be paid without it.

    Raises VerificationError.
    """
    if (facts.opened.cohort_root, facts.opened.cohort) != (plan.cohort.root, plan.cohort.count):
        raise VerificationError("the cohort on chain is not the plan's", fault=Party.EDGE_SERVER)
