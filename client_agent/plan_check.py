"""What a phone holds against a round's plan before it trains for it."""

from __future__ import annotations

from collections.abc import Collection

from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.incentives.reputation import weight_of
from protocol.messages.round import PlanHead
from protocol.messages.screening import MAX_LEVEL
from protocol.messages.task import TaskSpec
from protocol.round.planning import check_head, levelled
from protocol.round.scheme import RoundScheme


def accept_plan(
    plan: PlanHead,
    spec: TaskSpec,
    domain: Domain,
    task: int,
    round_number: int,
    weight: int | None,
    reputations: Collection[int],
) -> RoundScheme | None:
    """How a client encrypts under a plan whose label is on chain; None when it is not planned.

    ``weight``: at its place in the cohort; ``reputations``: those that it may be weighed by, and in a screened task
    any part of that by the levels of earlier openings, which the authorities who endorse the cohort derive. Raises
    VerificationError, MalformedError or EncryptionError for a plan that is not to be joined.
    """
    check_head(plan, spec, domain, task, round_number)
    if weight is None:
        return None
    own = {weight_of(reputation, spec.reputation) for reputation in reputations}
    if spec.screening.on:  # 0 too: it sends, trains its history, and is not in the sum
        own = {levelled(most, level) for most in own for level in range(MAX_LEVEL + 1)}
    if weight not in own:
        raise VerificationError(
            f"planned with weight {weight} where the reputation gives {sorted(own)}", fault=Party.EDGE_SERVER
        )
    return RoundScheme.of(plan, spec.committee)
