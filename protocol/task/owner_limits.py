"""What an owner's policy says of tasks, held against one: before consent, and by whoever writes a task for owners.

Pure. ``docs/policy.md`` explains every line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

from protocol.domain import Domain
from protocol.errors import PolicyError
from protocol.identifiers import NATIVE_COIN, Address, Amount, Range, Seconds, Word, to_hex
from protocol.messages.learning import MICRO
from protocol.messages.task import Committee, TaskSpec
from protocol.privacy.mechanisms import has_guarantee
from protocol.strict_toml import Decimals
from protocol.task.limits import CohortLimits, Confirmations, Most, at_least, at_most, check_cohort_limits
from protocol.task.work import Work

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
    screened: bool = True


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
class OwnerLimits:
    """One table of a policy file each."""

    privacy: PrivacyLimits = PrivacyLimits()
    cohort: CohortLimits = field(default_factory=CohortLimits)
    trust: TrustLimits = TrustLimits()
    work: WorkLimits = WorkLimits()
    money: MoneyLimits = MoneyLimits()


def check_task(limits: OwnerLimits, spec: TaskSpec, domain: Domain, work: Work) -> None:
    """Before enrolment and before every round. Raises PolicyError for the first line that the task exceeds."""
    for check in _CHECKS:
        check(limits, spec, domain, work)


def refusals(limits: OwnerLimits, spec: TaskSpec, domain: Domain, work: Work) -> Iterator[PolicyError]:
    """Every line that the task exceeds: what :func:`check_task` would raise, one after the other."""
    for check in _CHECKS:
        try:
            check(limits, spec, domain, work)
        except PolicyError as error:
            yield error


def _guarantee(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    mechanism = spec.learning.mechanism
    if not has_guarantee(mechanism) and not limits.privacy.without_guarantee:
        asked = mechanism.kind if mechanism.noise_multiplier_micro else "none"
        raise PolicyError("privacy.without_guarantee", "the task's noise", asked, "false")


def _epsilon(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    if has_guarantee(spec.learning.mechanism):
        what, budget = "the task's epsilon, its budget,", spec.privacy.epsilon_budget_micro
        at_most("privacy.task_epsilon", what, budget, limits.privacy.task_epsilon, MICRO)


def _delta(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    if has_guarantee(spec.learning.mechanism):
        what, exponent = "the exponent of the task's delta, 10^-n,", spec.privacy.delta_exponent
        at_least("privacy.task_delta_exponent", what, exponent, limits.privacy.task_delta_exponent)


def _honest(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    if has_guarantee(spec.learning.mechanism):
        what, clients = "the number of clients that have to be honest", spec.learning.mechanism.honest_clients
        at_most("privacy.honest_clients", what, clients, limits.privacy.honest_clients)


def _screened(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    if spec.screening.on and not limits.privacy.screened:
        raise PolicyError("privacy.screened", "the rule by which updates are compared", spec.screening.rule, "none")


def _cohort(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    check_cohort_limits(limits.cohort, spec.cohort.min_clients, spec.cohort.max_share_ppm)


def _chain(limits: OwnerLimits, _: TaskSpec, domain: Domain, __: Work) -> None:
    chains = limits.trust.chains
    accepted = [one for one in chains if one.chain_id == domain.chain_id]
    if not any(not one.ledgers or domain.ledger in one.ledgers for one in accepted):
        asked = f"{to_hex(domain.ledger)} on chain {domain.chain_id}"
        listed = [f"{one.chain_id} ({', '.join(map(to_hex, one.ledgers)) or 'all'})" for one in chains]
        raise PolicyError("trust.chains", "the task's ledger", asked, _listed(listed))


def _confirmations(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    what = "the task's confirmations"
    at_least("trust.min_confirmations", what, spec.confirmations, limits.trust.min_confirmations)


def _authorities(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    own, corrupt = _manufacturers(spec.committee, limits.trust.authorities), spec.committee.corrupt
    what = "the number of key authorities that count as the manufacturer's"
    if own > corrupt:
        raise PolicyError("trust.authorities", what, own, f"at most {corrupt}, or the others must be listed")


def _seconds(limits: OwnerLimits, _: TaskSpec, __: Domain, work: Work) -> None:
    at_most("work.seconds", "the training of a round in seconds", work.seconds, limits.work.seconds)


def _bytes(limits: OwnerLimits, _: TaskSpec, __: Domain, work: Work) -> None:
    at_most("work.bytes", "the traffic of a round in bytes", work.bytes, limits.work.bytes)


def _activations(limits: OwnerLimits, _: TaskSpec, __: Domain, work: Work) -> None:
    at_most("work.activations", "the memory of one example in numbers", work.activations, limits.work.activations)


def _stake(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    token, stake = spec.rewards.token, spec.deposits.client
    if token == NATIVE_COIN:
        at_most("money.max_stake", "the stake in wei", stake, limits.money.max_stake)
    else:
        most = max((one.max_stake for one in limits.money.tokens if one.token == token), default=0)
        at_most("money.tokens", f"the stake in units of the token {to_hex(token)}", stake, most)


def _claims(limits: OwnerLimits, spec: TaskSpec, _: Domain, __: Work) -> None:
    what, claim = "the time for claims in seconds", spec.durations.claim_seconds
    at_least("money.min_claim_seconds", what, claim, limits.money.min_claim_seconds)


_CHECKS: Final[tuple[Callable[[OwnerLimits, TaskSpec, Domain, Work], None], ...]] = (
    _guarantee, _epsilon, _delta, _honest, _screened, _cohort, _chain, _confirmations, _authorities, _seconds, _bytes,
    _activations, _stake, _claims,
)  # fmt: skip


def _manufacturers(committee: Committee, known: Sequence[Address]) -> int:
    """A known authority that is in the committee twice is independent once."""
    return len(committee.members) - len(set(committee.members) & set(known))


def _listed(texts: list[str]) -> str:
    return ", ".join(texts) or "none: list those that you accept"
