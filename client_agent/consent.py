"""What the owner of a phone is told before it enrols: what is sent, what it earns, and what it costs in privacy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from client_agent.binding import TaskBinding
from client_agent.privacy.ledger import Spending
from protocol.identifiers import Address
from protocol.messages.charge import Charge
from protocol.messages.learning import BayesianTerms, MechanismTerms
from protocol.messages.screening_terms import ScreeningTerms
from protocol.messages.task import ReputationTerms, RewardTerms, TaskSpec
from protocol.model.specification import dimension_of
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.spending import planned, spent
from protocol.round.planning import sent_parameters
from protocol.task.owner_limits import PrivacyLimits

COUNT: Final = "how many they are"  # no secret where updates are compared
OPENED: Final = (
    "how long each of its updates is",
    "how much each resembles those of others, and the last step of the model",
)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Every fact as a field; a view adds the words between them. Amounts are in smallest units of ``rewards.token``."""

    chain_id: int
    ledger: Address
    task: int
    title: str
    rounds: int  # at most
    edge_servers: tuple[Address, ...]
    authorities: tuple[Address, ...]
    threshold: int  # authorities that can open a sum together
    corrupt: int  # authorities that may sign anything without a second sum of a round being opened
    roster_rounds: int  # of a window: an authority has one key for the shares that phones send in it

    rewards: RewardTerms
    reputation: ReputationTerms
    payable_after_seconds: int  # from the end of a round; until then a dispute can void its rewards
    claim_until_seconds: int  # from the posting of the task; later all rewards are the manufacturer's
    stake: int  # locked from enrolment until the last claim
    needs_voucher: bool  # of the household's appliance, redeemed at the manufacturer's

    examples: int  # of this household; stays on the phone
    parameters: int  # of the model
    sent_parameters: int  # of these in every round
    max_clients: int  # of the task
    max_cohort: int  # of a round; when more are there, they are drawn
    min_clients: int  # in a sum that is opened
    max_share_ppm: int  # of one client in it

    mechanism: MechanismTerms
    most_local_steps: int  # of a round
    bayesian: BayesianTerms
    budget_micro: int  # epsilon
    charges: tuple[Charge, ...]  # of this task: so far, with one round more, of all rounds; none without noise
    data_set: str
    data_set_figure: PrivacyFigure  # of all tasks on it so far
    data_set_after: PrivacyFigure  # with all rounds of this task
    data_set_limit_micro: int  # by the owner's policy
    rounds_without_guarantee: int  # on it so far
    screening: ScreeningTerms  # by which updates that nobody sees are compared

    sent_every_round: tuple[str, ...] = ("one encrypted update", "a signed commitment to it")
    sent_once: tuple[str, ...] = ("your encryption keys' shares, each sealed to one key authority",)
    never_sent: tuple[str, ...] = (
        "your examples",
        COUNT,
        "any single update in the clear",
        "your keys",
    )
    public_for_ever: tuple[str, ...] = (
        "that this account enrolled",
        "for which rounds it was planned, with which weight, and in which it delivered",
        "its encrypted updates",
        "its rewards and reputation",
        "the sum over all clients of a round and the model after it",
    )


def disclose(
    spec: TaskSpec, binding: TaskBinding, examples: int, data_set: str, spending: Spending, limits: PrivacyLimits
) -> Disclosure:
    """``spending``: of the household so far. Raises MalformedError for a task whose accountant this phone lacks."""
    privacy, durations, delta_exponent = spec.privacy, spec.durations, limits.total_delta_exponent
    ((mechanism, _),) = planned(spec, spec.rounds).items()
    charged = spending.rounds_of(data_set, binding)
    counts = (charged, charged + 1, spec.rounds) if mechanism.noise_multiplier_micro else ()
    afterwards = spending.with_task(data_set, binding, spec)
    told = Disclosure(
        chain_id=binding.chain_id,
        ledger=binding.ledger,
        task=binding.task,
        title=spec.title,
        rounds=spec.rounds,
        edge_servers=spec.edge_servers,
        authorities=spec.committee.members,
        threshold=spec.committee.threshold,
        corrupt=spec.committee.corrupt,
        roster_rounds=spec.cohort.roster_rounds,
        rewards=spec.rewards,
        reputation=spec.reputation,
        payable_after_seconds=durations.dispute_seconds,
        claim_until_seconds=durations.task_seconds + durations.claim_seconds,
        stake=spec.deposits.client,
        needs_voucher=spec.vouchers.needed,
        examples=examples,
        parameters=dimension_of(spec.model),
        sent_parameters=sent_parameters(spec),
        max_clients=spec.cohort.max_clients,
        max_cohort=spec.cohort.max_cohort,
        min_clients=spec.cohort.min_clients,
        max_share_ppm=spec.cohort.max_share_ppm,
        mechanism=spec.learning.mechanism,
        most_local_steps=mechanism.local_steps,
        bayesian=spec.learning.bayesian,
        budget_micro=privacy.epsilon_budget_micro,
        charges=tuple(spent({mechanism: rounds}, spec.learning, privacy) for rounds in counts),
        data_set=data_set,
        data_set_figure=spending.figure(data_set, delta_exponent),
        data_set_after=afterwards.figure(data_set, delta_exponent),
        data_set_limit_micro=limits.total_epsilon,
        rounds_without_guarantee=spending.without_guarantee(data_set),
        screening=spec.screening,
    )
    return _with_openings(told) if spec.screening.on else told


def _with_openings(told: Disclosure) -> Disclosure:
    """Of a screened task: sample counts follow from what is opened."""
    secret = tuple(fact for fact in told.never_sent if fact != COUNT)
    return replace(told, never_sent=secret, public_for_ever=told.public_for_ever + OPENED)
