"""The plan of a round from the task and its public past: cohort, weights, chain of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from protocol.canonical import encode
from protocol.cohort import sum_of
from protocol.domain import Domain
from protocol.errors import EncryptionError, MalformedError, Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, Label, sha256
from protocol.incentives.reputation import eligible, weight_of
from protocol.messages.chain import TaskTerms
from protocol.messages.learning import LearningTerms
from protocol.messages.round import ClientWeight, PlanHead, RoundPlan
from protocol.messages.screening import MAX_LEVEL
from protocol.messages.task import TaskSpec
from protocol.sparse.index_set import IndexSet, select, sent_count
from protocol.text import in_words


def terms_of(spec: TaskSpec) -> TaskTerms:
    """The part of a spec that the contract enforces."""
    return TaskTerms(
        spec=sha256(encode(spec)),
        edge_servers=spec.edge_servers,
        authorities=spec.committee.members,
        threshold=spec.committee.threshold,
        initial_reputation=spec.reputation.initial,
        rounds=spec.rounds,
        min_clients=spec.cohort.min_clients,
        max_clients=spec.cohort.max_clients,
        enrolment_seconds=spec.durations.enrolment_seconds,
        commit_seconds=spec.durations.commit_seconds,
        training_seconds=spec.schedule.training_seconds,
        objection_seconds=spec.durations.objection_seconds,
        settle_seconds=spec.durations.settle_seconds,
        task_seconds=spec.durations.task_seconds,
        claim_seconds=spec.durations.claim_seconds,
        dispute_seconds=spec.durations.dispute_seconds,
        min_reputation=spec.reputation.admission,
        reputation_sources=spec.reputation.sources,
        takeover_seconds=spec.durations.takeover_seconds,
        token=spec.rewards.token,
        participation=spec.rewards.participation,
        contribution=spec.rewards.contribution,
        edge_fee=spec.rewards.edge_fee,
        authority_fee=spec.rewards.authority_fee,
        edge_bond=spec.deposits.edge_server,
        authority_bond=spec.deposits.authority,
        stake=spec.deposits.client,
        max_cohort=spec.cohort.max_cohort,
        roster_rounds=spec.cohort.roster_rounds,
        roster_seconds=spec.durations.roster_seconds,
        voucher_key=spec.vouchers.key,
    )


def check_terms(terms: TaskTerms, spec: TaskSpec) -> None:
    """What was posted is what the spec says. Raises VerificationError."""
    if terms != terms_of(spec):
        raise VerificationError("the terms on chain are not the spec's", fault=Party.MANUFACTURER)


def sent_parameters(spec: TaskSpec) -> int:
    """The size of every index set of the task."""
    return sent_count(spec.model, spec.learning.sparsity.density_ppm)


def choose_index_set(spec: TaskSpec, round_number: int) -> IndexSet:
    """What every client of the round sends; see :mod:`protocol.sparse.index_set`."""
    return select(sha256(encode(spec)), spec.model, spec.learning, round_number)


def plan_round(
    spec: TaskSpec,
    domain: Domain,
    task: int,
    round_number: int,
    cohort: Mapping[Address, int],
    model: Digest,
    previous_label: Label = ZERO_DIGEST,
    learning: LearningTerms | None = None,
    levels: Mapping[Address, int] | None = None,
) -> RoundPlan:
    """The plan for ``cohort`` (client -> reputation); ineligible clients are left out.

    ``model``: of the last round that moved it, or the initial one; ``previous_label``: of the last opened round;
    ``learning``: what :func:`~protocol.round.adaptation.learning_of` finds for ``model``, the task's if left out;
    ``levels``: of a screened task, :func:`~protocol.round.screening_verdict.levels_before`.
    """
    able = {client: cohort[client] for client in sorted(cohort) if eligible(cohort[client], spec.reputation)}
    weights = [ClientWeight(*entry) for entry in planned_weights(spec, able, levels or {}).items()]
    if not weights:
        raise VerificationError("no client is eligible", fault=Party.EDGE_SERVER, code="E_MIN_PARTICIPANTS")
    return RoundPlan(
        suite=spec.suite,
        chain_id=domain.chain_id,
        ledger=domain.ledger,
        task=task,
        round=round_number,
        spec=sha256(encode(spec)),
        committee=sha256(encode(spec.committee)),
        key_epoch=round_number,
        previous_label=previous_label,
        model=model,
        dimension=sent_parameters(spec),
        learning=learning or spec.learning,
        min_clients=spec.cohort.min_clients,
        max_clients=spec.cohort.max_clients,
        max_share_ppm=spec.cohort.max_share_ppm,
        weights=tuple(weights),
        cohort=sum_of(weights),
        commit_seconds=spec.durations.commit_seconds,
        settle_seconds=spec.durations.settle_seconds,
    )


def planned_weights(spec: TaskSpec, cohort: Mapping[Address, int], levels: Mapping[Address, int]) -> dict[Address, int]:
    """What their reputations give the clients of a ``cohort``; of that, in a screened task, the part that openings of
    earlier rounds leave each, rounded up, so that only level 0 gives 0. Levels that leave nobody anything count for
    nobody: a round of no weight has no sum.
    """
    whole = {client: weight_of(reputation, spec.reputation) for client, reputation in cohort.items()}
    left = {client: levelled(weight, levels.get(client, MAX_LEVEL)) for client, weight in whole.items()}
    return left if any(left.values()) else whole


def levelled(weight: int, level: int) -> int:
    """What a level leaves of a weight, rounded up."""
    return -(-weight * level // MAX_LEVEL)


def check_head(plan: PlanHead, spec: TaskSpec, domain: Domain, task: int, round_number: int) -> None:
    """What a phone can hold against a plan without its clients and the task's history. Raises VerificationError."""
    expected = {
        "chain_id": domain.chain_id,
        "ledger": domain.ledger,
        "task": task,
        "round": round_number,
        "suite": spec.suite,
        "spec": sha256(encode(spec)),
        "committee": sha256(encode(spec.committee)),
        "key_epoch": round_number,
        "learning": _allowed(spec, plan.learning),
        "dimension": sent_parameters(spec),
        "min_clients": spec.cohort.min_clients,
        "max_clients": spec.cohort.max_clients,
        "max_share_ppm": spec.cohort.max_share_ppm,
        "commit_seconds": spec.durations.commit_seconds,
        "settle_seconds": spec.durations.settle_seconds,
    }
    for name, value in expected.items():
        if getattr(plan, name) != value:
            raise VerificationError(f"the plan's {in_words(name)} is not the task's", fault=Party.EDGE_SERVER)
    cohort = plan.cohort
    if not plan.min_clients <= cohort.count <= spec.cohort.max_cohort:
        raise VerificationError(f"a cohort of {cohort.count} is not allowed", fault=Party.EDGE_SERVER)
    if cohort.largest > spec.reputation.maximum:
        raise EncryptionError(f"a weight of {cohort.largest} is not allowed", code="E_WEIGHT", fault=Party.EDGE_SERVER)


def check_plan(plan: RoundPlan, spec: TaskSpec, domain: Domain, task: int, round_number: int) -> None:
    """As :func:`check_head`, of a plan with its clients. Raises VerificationError."""
    check_head(plan, spec, domain, task, round_number)
    if any(later.client <= earlier.client for earlier, later in pairwise(plan.weights)):
        raise MalformedError("the plan's clients are not strictly ascending", fault=Party.EDGE_SERVER)
    if not spec.screening.on and not all(entry.weight for entry in plan.weights):
        message = "a weight of 0 in a task that is not screened"
        raise EncryptionError(message, code="E_WEIGHT", fault=Party.EDGE_SERVER)
    if plan.cohort != sum_of(plan.weights):
        raise VerificationError("the plan's cohort does not add up to its root and totals", fault=Party.EDGE_SERVER)


def _allowed(spec: TaskSpec, planned: LearningTerms) -> LearningTerms:
    """The task's learning: where it adapts its local steps with those that are planned, if the task allows them."""
    steps = planned.mechanism.local_steps
    if not 1 <= steps <= spec.control.max_local_steps:
        return spec.learning
    return replace(spec.learning, mechanism=replace(spec.learning.mechanism, local_steps=steps))
