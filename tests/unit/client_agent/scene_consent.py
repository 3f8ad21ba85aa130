"""A task with rungs of noise, of which one round was charged, and what its owner is told then."""

from __future__ import annotations

from dataclasses import replace

from client_agent.binding import TaskBinding
from client_agent.consent import Disclosure, disclose
from client_agent.privacy.ledger import HOME, DataUse, Spending
from protocol.messages.learning import MICRO, BayesianTerms
from protocol.messages.task import TaskSpec
from tests.samples import DOMAIN, sample_policy, sample_spec

RUNGS = BayesianTerms(4 * MICRO, 6, 100_000, (2_000_000, 2_500_000, 3_000_000), 1, 250_000)
SPEC = sample_spec(
    durations=replace(sample_spec().durations, takeover_seconds=100),
    learning=replace(sample_spec().learning, bayesian=RUNGS),
)
LIMITS = sample_policy().privacy
BINDING = TaskBinding.of(DOMAIN, 7, b"\5" * 32)


def charged(spec: TaskSpec, rounds: int) -> Spending:
    use = DataUse(HOME, BINDING, b"\6" * 32, spec.learning.mechanism, spec.learning.bayesian)
    return Spending(charged={use: frozenset(range(1, rounds + 1))})


def told_of(spec: TaskSpec) -> Disclosure:
    """After one round of 42 examples."""
    return disclose(spec, BINDING, 42, HOME, charged(spec, 1), LIMITS)
