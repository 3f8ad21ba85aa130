"""What a phone may agree to, whoever asks and however it was started: its owner's policy, and what is held against it.

Pure: files are read elsewhere. ``docs/policy.md`` explains every line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from client_agent.work import Work
from protocol.domain import Domain
from protocol.errors import PolicyError
from protocol.identifiers import NATIVE_COIN, Address, Amount, Range, Seconds, Word, to_hex
from protocol.messages.learning import MICRO
from protocol.messages.round import RoundPlan
from protocol.messages.task import Committee, TaskSpec
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.mechanisms import has_guarantee
from protocol.strict_toml import Decimals, parse_toml
from protocol.task.limits import CohortLimits, Confirmations, Most, at_least, at_most, check_cohort_limits
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits

Epsilon = Annotated[int, Decimals(6), Range(0, 2**40)]  # in millionths
DeltaExponent = Annotated[int, Range(3, 15)]  # delta = 10^-exponent
HonestClients = Annotated[int, Range(1, 10_000)]  # whose noise may count, this phone among them


@dataclass(frozen=True, slots=True)
class PrivacyLimits:
    """Of one data set."""

    task_epsilon: Epsilon = 8 * MICRO
    task_delta_exponent: DeltaExponent = 5
    total_epsilon: Epsilon = 16 * MICRO
    total_delta_exponent: DeltaExponent = 5
    without_guarantee: bool = False
    honest_clients: HonestClients = 1


@dataclass(frozen=True, slots=True)
class AcceptedChain:
    """``ledgers``: none named means every one on this chain."""

    chain_id: Word
    ledgers: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class TrustLimits:
    """``authorities``: known not to be the manufacturer's; every other one counts as the manufacturer's own."""

    min_confirmations: Confirmations = 3
    chains: tuple[AcceptedChain, ...] = ()
    authorities: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """Of one round."""

    seconds: Most = 600
    bytes: Most = 64 * 1024 * 1024
    activations: Most = 1_000_000


@dataclass(frozen=True, slots=True)
class TokenStake:
    token: Address
    max_stake: Amount


@dataclass(frozen=True, slots=True)
class MoneyLimits:
    """``max_stake``: of the chain's own coin. A token that is not in the list is never staked."""

    max_stake: Amount = 0
    tokens: tuple[TokenStake, ...] = ()
    min_claim_seconds: Seconds = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Policy:
    """One table of the file each."""

    privacy: PrivacyLimits = PrivacyLimits()
    cohort: CohortLimits = field(default_factory=CohortLimits)
    trust: TrustLimits = TrustLimits()
    work: WorkLimits = WorkLimits()
    money: MoneyLimits = MoneyLimits()
    gas: GasLimits = DEFAULT_GAS_LIMITS


def parse_policy(data: bytes) -> Policy:
    """Raises MalformedError that names the first line which cannot stand."""
    return parse_toml(Policy, data, "policy")


def check_task(policy: Policy, spec: TaskSpec, domain: Domain, work: Work) -> None:
    """Before enrolment and before every round. Raises PolicyError for the first line that the task exceeds."""
    _check_privacy(policy.privacy, spec)
    check_cohort_limits(policy.cohort, spec.cohort.min_clients, spec.cohort.max_share_ppm)
    _check_trust(policy.trust, spec, domain)
    at_most("work.seconds", "the training of a round in seconds", work.seconds, policy.work.seconds)
    at_most("work.bytes", "the traffic of a round in bytes", work.bytes, policy.work.bytes)
    at_most("work.activations", "the memory of one example in numbers", work.activations, policy.work.activations)
    _check_money(policy.money, spec)


def check_cohort(policy: Policy, plan: RoundPlan) -> None:
    """As :func:`check_task`, for those whom a round is planned for."""
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


def _check_privacy(limits: PrivacyLimits, spec: TaskSpec) -> None:
    if not has_guarantee(spec.learning.mechanism):
        if not limits.without_guarantee:
            asked = spec.learning.mechanism.kind if spec.learning.mechanism.noise_multiplier_micro else "none"
            raise PolicyError("privacy.without_guarantee", "the task's noise", asked, "false")
        return
    budget = spec.privacy.epsilon_budget_micro
    at_most("privacy.task_epsilon", "the task's epsilon, its budget,", budget, limits.task_epsilon, MICRO)
    what, exponent = "the exponent of the task's delta, 10^-n,", spec.privacy.delta_exponent
    at_least("privacy.task_delta_exponent", what, exponent, limits.task_delta_exponent)
    what, clients = "the number of clients that have to be honest", spec.learning.mechanism.honest_clients
    at_most("privacy.honest_clients", what, clients, limits.honest_clients)


def _check_trust(limits: TrustLimits, spec: TaskSpec, domain: Domain) -> None:
    accepted = [one for one in limits.chains if one.chain_id == domain.chain_id]
    if not any(not one.ledgers or domain.ledger in one.ledgers for one in accepted):
        asked = f"{to_hex(domain.ledger)} on chain {domain.chain_id}"
        listed = [f"{one.chain_id} ({', '.join(map(to_hex, one.ledgers)) or 'all'})" for one in limits.chains]
        raise PolicyError("trust.chains", "the task's ledger", asked, _listed(listed))
    at_least("trust.min_confirmations", "the task's confirmations", spec.confirmations, limits.min_confirmations)
    own, corrupt = _manufacturers(spec.committee, limits.authorities), spec.committee.corrupt
    what = "the number of key authorities that count as the manufacturer's"
    if own > corrupt:
        raise PolicyError("trust.authorities", what, own, f"at most {corrupt}, or the others must be listed")


def _manufacturers(committee: Committee, known: Sequence[Address]) -> int:
    """A known authority that is in the committee twice is independent once."""
    return len(committee.members) - len(set(committee.members) & set(known))


def _check_money(limits: MoneyLimits, spec: TaskSpec) -> None:
    token, stake = spec.rewards.token, spec.deposits.client
    if token == NATIVE_COIN:
        at_most("money.max_stake", "the stake in wei", stake, limits.max_stake)
    else:
        most = max((one.max_stake for one in limits.tokens if one.token == token), default=0)
        at_most("money.tokens", f"the stake in units of the token {to_hex(token)}", stake, most)
    claim = spec.durations.claim_seconds
    at_least("money.min_claim_seconds", "the time for claims in seconds", claim, limits.min_claim_seconds)


def _listed(texts: list[str]) -> str:
    return ", ".join(texts) or "none: list those that you accept"
