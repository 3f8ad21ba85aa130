"""What chain and content show of rounds that a phone cannot remember: one that was lost may have trained in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from client_agent.binding import TaskBinding
from client_agent.followed_task import FollowedTask
from client_agent.privacy.example_budgets import KINDS
from client_agent.privacy.followed import FollowedRound, FollowedTerms
from client_agent.privacy.ledger import DataUse, PrivacyLedger, Spending
from client_agent.remembered import Sealed
from protocol.cohort import place_of
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.messages.learning import BayesianTerms, MechanismTerms
from protocol.messages.round import RoundPlan
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.privacy.figure import Unit
from protocol.privacy.spending import planned
from protocol.round.planning import check_plan
from protocol.round.training import Followed
from protocol.task.documents import Absent, Kind
from protocol.task.round_facts import RoundFacts


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one round, as a privacy ledger has them."""

    mechanism: MechanismTerms
    bayesian: BayesianTerms


@dataclass(frozen=True, slots=True)
class MissedRound:
    """``costs``: as it was planned or, where nobody can tell, the dearest that the task allows."""

    number: int
    costs: Costs


def dearest_of(spec: TaskSpec) -> Costs:
    ((mechanism, _),) = planned(spec, 1).items()
    return Costs(mechanism, spec.learning.bayesian)


def dearest_charged(spending: Spending, binding: TaskBinding) -> Costs | None:
    """Of the rounds of a task that are charged; for one whose spec is gone."""
    uses = [use for use in spending.charged if use.task == binding]
    most = max(uses, key=lambda use: use.mechanism.local_steps, default=None)
    return None if most is None else Costs(most.mechanism, most.bayesian)


def missed_rounds(
    followed: FollowedTask, domain: Domain, client: Address, spec: TaskSpec | None, dearest: Costs
) -> tuple[MissedRound, ...]:
    """Every round, the one that runs included, that a phone of this account may have sealed an update for.

    Whether the update came in says nothing: it counts from before its training on. So what is left out are rounds that
    were opened before the account enrolled, and rounds whose plan can be read and does not have it.
    Raises StoreUnavailableError.
    """
    enrolled = followed.state.enrolled.get(client)
    if enrolled is None:
        return ()
    found = list[MissedRound]()
    for facts in followed.state.rounds:
        if (enrolled.block, enrolled.log_index) < (facts.opened.block, facts.opened.log_index):
            plan = followed.read(facts.number, Kind.PLAN).plan(facts.number)
            if isinstance(plan, Absent) or plan.weight_of(client) is not None:
                costs = _planned(plan, domain, spec, followed.state.task, facts.number)
                found.append(MissedRound(facts.number, costs or dearest))
    return tuple(found)


def charge_missed(
    privacy: PrivacyLedger,
    followed: FollowedTask,
    binding: TaskBinding,
    client: Address,
    data_set: str,
    missed: tuple[MissedRound, ...],
    own: frozenset[Digest] = frozenset(),
) -> None:
    """To the enrolment that the chain has, as the phone that was lost did; what it or one of its ``own`` enrolments is
    charged already is not charged again."""
    envelope = followed.state.enrolled[client].envelope if missed else ZERO_DIGEST
    for one in missed:
        use = DataUse(data_set, binding, envelope, one.costs.mechanism, one.costs.bayesian)
        privacy.record(use, one.number, own)


def followed_as_dearest(spec: TaskSpec, missed: tuple[MissedRound, ...]) -> dict[int, FollowedRound]:
    """What is kept of these rounds for the owner's own figures: nothing is known of any example, so each may have been
    in every step with all that it could have."""
    mechanism, bayesian = spec.learning.mechanism, spec.learning.bayesian
    if mechanism.kind not in KINDS or mechanism.unit != Unit.EXAMPLE or not mechanism.noise_multiplier_micro:
        return {}
    target, selection = bayesian.epsilon_micro, bayesian.selection_epsilon_micro
    terms = FollowedTerms(
        mechanism.sampling_rate_ppm,
        min(bayesian.rungs_micro, default=mechanism.noise_multiplier_micro),
        bayesian.delta_exponent if target else spec.privacy.delta_exponent,
        target,
        selection,
        len(bayesian.rungs_micro) if selection else 1,
    )
    return {one.number: FollowedRound(terms, _of_nobody(one.costs.mechanism.local_steps)) for one in missed}


def recovered(followed: FollowedTask, facts: RoundFacts, client: Address) -> Sealed | None:
    """What this account committed to in a round, as everybody can read it. None where that is nothing, or cannot be
    read. Raises StoreUnavailableError."""
    plan = followed.read(facts.number, Kind.PLAN).plan(facts.number)
    signed = committed(followed, facts, client)
    if isinstance(plan, Absent) or plan.weight_of(client) is None or signed is None:
        return None
    return Sealed(signed, place_of(plan.weights, client))


def committed(followed: FollowedTask, facts: RoundFacts, client: Address) -> SignedCommitment | None:
    """Directly, or else in the batch. Raises StoreUnavailableError."""
    direct = facts.direct_commitments().get(client)
    if direct is not None or facts.batched is None:
        return direct
    batch = followed.read(facts.number, Kind.BATCH).batch(facts.number)
    entries: Iterator[SignedCommitment] = iter(() if isinstance(batch, Absent) else batch.commitments)
    return next((signed for signed in entries if signed.commitment.client == client), None)


def _planned(plan: RoundPlan | Absent, domain: Domain, spec: TaskSpec | None, task: int, number: int) -> Costs | None:
    """None where there is no plan that a phone trains by: whoever wrote another one decides nothing here."""
    if isinstance(plan, Absent) or spec is None:
        return None
    try:
        check_plan(plan, spec, domain, task, number)
    except HearthError:
        return None
    return Costs(plan.learning.mechanism, plan.learning.bayesian)


def _of_nobody(steps: int) -> Followed:
    return Followed(np.zeros(0, dtype=np.uint64), np.zeros((steps, 0), dtype=np.uint16))
