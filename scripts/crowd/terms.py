"""What a crowd learns: the digits by a network of a few thousand parameters, under ``PAD/1``, a step each round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from client_agent.data.datasets import load_digits
from protocol.canonical import encode
from protocol.encryption.suite import PAD
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
from protocol.messages.task import (
    MAX_COHORT,
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
from protocol.model.dataset import Array, Examples, encode_labelled
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.privacy.pld import PrivacyLoss
from protocol.version import SPEC_VERSION
from storage.content.interface import ContentStore

AUTHORITIES: Final = 3
THRESHOLD: Final = 2
LEAST_CLIENTS: Final = 10  # so that no authority's usual policy is against the task
EXAMPLES: Final = 8  # of each household
HIDDEN: Final = 48
DAY_SECONDS: Final = 24 * 3600
HOUR_SECONDS: Final = 3600
TRAINING_SECONDS: Final = 60
MODEL: Final = ModelSpec(
    (1, 8, 8),
    10,
    (
        Layer("flatten", {}),
        Layer("linear", {"outputs": HIDDEN, "bias": 1}),
        Layer("relu", {}),
        Layer("linear", {"outputs": 10, "bias": 1}),
    ),
)
LEARNING: Final = LearningTerms(
    mechanism=MechanismTerms(
        local_steps=1, sampling_rate_ppm=MICRO // 2, clip_micro=MICRO, noise_multiplier_micro=2 * MICRO
    ),
    optimiser=OptimiserTerms(learning_rate_micro=2 * MICRO, reference_count=EXAMPLES),
    sparsity=SparsityTerms(density_ppm=MICRO // 2, scale_micro=2 * MICRO),
    quantiser=QuantiserTerms(bound_micro=8 * MICRO, bits=16),
    encoding=EncodingTerms(packing=4),
)
REWARDS: Final = RewardTerms(
    participation=600, contribution=400, target_gain_ppm=50_000, edge_fee=500, authority_fee=100
)


@dataclass(frozen=True, slots=True, eq=False)
class Dealt:
    """``inputs`` (clients, EXAMPLES, ...) and ``labels`` (clients, EXAMPLES) of all households."""

    inputs: Array
    labels: Array


def dealt(clients: int, seed: int) -> Dealt:
    """Training digits at random, each with noise of its own: no two households have the same example."""
    train, _ = load_digits()
    images, labels = train.labelled()
    random = np.random.default_rng(seed)
    chosen = random.integers(len(labels), size=(clients, EXAMPLES))
    moved = images[chosen].astype(np.int16) + random.integers(-2, 3, size=(clients, EXAMPLES, *MODEL.input_shape))
    return Dealt(np.clip(moved, 0, 16).astype(np.uint8), labels[chosen])


def spec_of(store: ContentStore, clients: int, rounds: int, server: Address, members: Sequence[Address]) -> TaskSpec:
    """With its documents in ``store``."""
    layout, (_, test), cohort = Layout.of(MODEL), load_digits(), min(clients, MAX_COHORT)
    spec = TaskSpec(
        version=SPEC_VERSION,
        title=f"A crowd of {clients}",
        suite=PAD,
        model=MODEL,
        initial_model=store.put(layout.to_safetensors(initial_parameters(MODEL))).digest,
        test_set=store.put(_labelled(test)).digest,
        rounds=rounds,
        confirmations=0,
        edge_server=server,
        committee=Committee(THRESHOLD, tuple(members), THRESHOLD - 1),
        learning=LEARNING,
        privacy=PrivacyTerms(epsilon_budget_micro=8 * MICRO, delta_exponent=5, accountant=PrivacyLoss.name),
        cohort=CohortTerms(max(LEAST_CLIENTS, cohort // 2), clients, cohort, MICRO // 4),
        reputation=ReputationTerms(initial=2, floor=2, maximum=5, waiting_rounds=2),
        rewards=REWARDS,
        durations=Durations(
            enrolment_seconds=DAY_SECONDS,
            commit_seconds=4 * HOUR_SECONDS,
            objection_seconds=TRAINING_SECONDS,
            settle_seconds=4 * HOUR_SECONDS,
            task_seconds=60 * DAY_SECONDS,
            claim_seconds=2 * DAY_SECONDS,
            dispute_seconds=2,
            takeover_seconds=HOUR_SECONDS,
            roster_seconds=4 * HOUR_SECONDS,
        ),
        schedule=ScheduleTerms(TRAINING_SECONDS, EXAMPLES),
        deposits=DepositTerms(edge_server=cohort * REWARDS.participation),
    )
    store.put(encode(spec))
    return spec


def _labelled(examples: Examples) -> bytes:
    return encode_labelled(*examples.labelled())
