"""What a phone holds against a round's plan before it trains for it."""

from __future__ import annotations

from collections.abc import Collection

from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address
from protocol.incentives.reputation import weight_of
from protocol.messages.chain import RoundOpened
from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.round.planning import check_plan
from protocol.round.scheme import RoundScheme


def accept_plan(
    plan: RoundPlan,
    spec: TaskSpec,
    domain: Domain,
    task: int,
    round_number: int,
    client: Address,
    reputations: Collection[int],
) -> RoundScheme | None:
    """How ``client`` encrypts under a plan whose label is on chain; None when it is not planned.

    ``reputations``: those that it may be weighed by. Raises VerificationError, MalformedError or EncryptionError for a
    plan that is not to be joined.
    """
    check_plan(plan, spec, domain, task, round_number)
    scheme = RoundScheme.of(plan, spec.committee)
    scheme.encoding.check_budget([entry.weight for entry in plan.weights])
    weight = plan.weight_of(client)
    if weight is None:
        return None
    own = {weight_of(reputation, spec.reputation) for reputation in reputations}
    if weight not in own:
        raise VerificationError(
            f"planned with weight {weight} where the reputation gives {sorted(own)}", fault=Party.EDGE_SERVER
        )
    return scheme


def check_cohort_on_chain(plan: RoundPlan, opened: RoundOpened) -> None:
    """Places are proven against the chain's root: to commit without the server, and to be paid without it.

    Raises VerificationError.
    """
    if (opened.cohort_root, opened.cohort) != (plan.cohort.root, plan.cohort.count):
        raise VerificationError("the cohort on chain is not the plan's", fault=Party.EDGE_SERVER)
