"""What a phone may agree to, whoever asks and however it was started: its owner's policy, and what is held against it.

Pure: files are read elsewhere. ``docs/policy.md`` explains every line.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.messages.learning import MICRO
from protocol.messages.round import PlanHead
from protocol.privacy.figure import PrivacyFigure
from protocol.strict_toml import parse_toml
from protocol.task.limits import at_most, check_cohort_limits
from protocol.task.owner_limits import OwnerLimits, PrivacyLimits
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits


@dataclass(frozen=True, slots=True)
class Policy(OwnerLimits):
    """One table of the file each; what it says of tasks is in OwnerLimits."""

    gas: GasLimits = DEFAULT_GAS_LIMITS


def parse_policy(data: bytes) -> Policy:
    """Raises MalformedError that names the first line which cannot stand."""
    return parse_toml(Policy, data, "policy")


def check_cohort(policy: Policy, plan: PlanHead) -> None:
    """As ``check_task``, for those whom a round is planned for."""
    cohort = plan.cohort
    check_cohort_limits(policy.cohort, cohort.count, -(-cohort.largest * MICRO // cohort.total))


def check_spending(limits: PrivacyLimits, in_task: PrivacyFigure, in_all: PrivacyFigure) -> None:
    """What one data set has cost with what is about to be charged, in this task and in all. Raises PolicyError."""
    what = f"the epsilon of this task on the data set ({_meaning(in_task)})"
    at_most("privacy.task_epsilon", what, in_task.epsilon_micro, limits.task_epsilon, MICRO)
    check_total(limits, in_all)


def check_total(limits: PrivacyLimits, in_all: PrivacyFigure) -> None:
    """The second half of :func:`check_spending`."""
    what = f"the epsilon of all tasks on the data set ({_meaning(in_all)})"
    at_most("privacy.total_epsilon", what, in_all.epsilon_micro, limits.total_epsilon, MICRO)


def _meaning(figure: PrivacyFigure) -> str:
    return f"of one {figure.unit}, at delta 1e-{figure.delta_exponent}, by {figure.accountant}"
