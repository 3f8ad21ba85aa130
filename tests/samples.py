"""Small valid values for tests: one task, its domain, accounts by number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from client_agent.policy import Policy
from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.messages.learning import (
    MICRO,
    EncodingTerms,
    Layer,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    QuantiserTerms,
    SparsityTerms,
)
from protocol.messages.round import ClientWeight
from protocol.messages.task import (
    CohortTerms,
    Committee,
    DepositTerms,
    Durations,
    PrivacyTerms,
    ReputationTerms,
    RewardTerms,
    ScheduleTerms,
    TaskSpec,
)
from protocol.signing import address_of
from protocol.task.limits import CohortLimits
from protocol.task.owner_limits import AcceptedChain, MoneyLimits, PrivacyLimits, TrustLimits
from protocol.version import SPEC_VERSION

DOMAIN = Domain(31337, bytes(range(20)))


def private_key(role: str, number: int = 0) -> bytes:
    """A fixed secp256k1 key for a named account; for tests only."""
    return hashlib.sha256(f"hearth test account {role} {number}".encode()).digest()


def client_address(number: int) -> Address:
    return address_of(private_key("client", number))


def cohort_of(clients: Iterable[Address], weight: int = 2) -> tuple[ClientWeight, ...]:
    """Ascending, all of one weight."""
    return tuple(ClientWeight(client, weight) for client in sorted(clients))


def with_terms(learning: LearningTerms, **changes: Any) -> LearningTerms:
    """``learning`` with some fields of its parts changed, each of which stands in one part only."""
    parts = {}
    for part in fields(learning):
        terms: Any = getattr(learning, part.name)
        parts[part.name] = replace(terms, **{f.name: changes.pop(f.name) for f in fields(terms) if f.name in changes})
    assert not changes, f"no part has {sorted(changes)}"
    return LearningTerms(**parts)


def sample_policy() -> Policy:
    """Of a phone that takes part in the sample task; its other lines are the usual ones."""
    authorities = tuple(address_of(private_key("authority", j)) for j in (1, 2, 3))
    return Policy(
        privacy=PrivacyLimits(task_epsilon=20 * MICRO, total_epsilon=40 * MICRO),
        cohort=CohortLimits(min_clients=2, max_share=900_000),
        trust=TrustLimits(0, (AcceptedChain(DOMAIN.chain_id),), authorities),
        money=MoneyLimits(min_claim_seconds=20_000),
    )


def sample_spec(**changes: Any) -> TaskSpec:
    """A tiny linear task: 6 inputs, 3 classes, committee 2 of 3, at most 5 clients."""
    members = tuple(address_of(private_key("authority", j)) for j in (1, 2, 3))
    spec = TaskSpec(
        version=SPEC_VERSION,
        title="sample",
        suite="FE64-A/1",
        model=ModelSpec((6,), 3, (Layer("linear", {"outputs": 3, "bias": 1}),)),
        initial_model=b"\1" * 32,
        test_set=b"\2" * 32,
        rounds=3,
        confirmations=0,
        edge_server=address_of(private_key("edge")),
        committee=Committee(2, members, 0),
        learning=LearningTerms(
            mechanism=MechanismTerms(
                local_steps=1, sampling_rate_ppm=1_000_000, clip_micro=1_000_000, noise_multiplier_micro=2_000_000
            ),
            optimiser=OptimiserTerms(learning_rate_micro=1_000_000, reference_count=10),
            sparsity=SparsityTerms(density_ppm=500_000, scale_micro=2_000_000),
            quantiser=QuantiserTerms(bound_micro=10_000_000, bits=16),
            encoding=EncodingTerms(packing=2),
        ),
        privacy=PrivacyTerms(epsilon_budget_micro=20_000_000, delta_exponent=5, accountant="PLD/1"),
        cohort=CohortTerms(min_clients=2, max_clients=5, max_cohort=5, max_share_ppm=700_000),
        reputation=ReputationTerms(initial=2, floor=2, maximum=5, waiting_rounds=2),
        rewards=RewardTerms(
            participation=599, contribution=401, target_gain_ppm=500_000, edge_fee=70, authority_fee=30
        ),
        durations=Durations(
            enrolment_seconds=600,
            commit_seconds=300,
            objection_seconds=30,
            settle_seconds=300,
            task_seconds=86_400,
            claim_seconds=86_400,
            dispute_seconds=60,
            takeover_seconds=200,
        ),
        schedule=ScheduleTerms(training_seconds=20, max_examples=50),
        deposits=DepositTerms(edge_server=5_000),
    )
    return replace(spec, **changes)
