"""What the owner of a phone is told before it enrols: what is sent, what it earns, and what it costs in privacy."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.identifiers import Address
from protocol.messages.charge import Charge
from protocol.messages.task import MICRO, ReputationTerms, RewardTerms, TaskSpec
from protocol.model.layout import always_sent
from protocol.model.specification import dimension_of
from protocol.privacy.spending import spent


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Every fact as a field; a view adds the words between them. Amounts are in smallest units of ``rewards.token``."""

    task: int
    title: str
    rounds: int  # at most
    edge_servers: tuple[Address, ...]
    authorities: tuple[Address, ...]
    threshold: int  # authorities that can open a sum together

    rewards: RewardTerms
    reputation: ReputationTerms
    payable_after_seconds: int  # from the end of a round; until then a dispute can void its rewards
    claim_until_seconds: int  # from the posting of the task; later all rewards are the manufacturer's
    stake: int  # locked from enrolment until the last claim

    examples: int  # of this household; stays on the phone
    parameters: int  # of the model
    sent_parameters: int  # of these in every round
    min_clients: int  # in a sum that is opened
    max_share_ppm: int  # of one client in it

    budget_micro: int  # epsilon
    spent: Charge  # so far
    next_round: Charge  # with one round more
    all_rounds: Charge

    sent_every_round: tuple[str, ...] = ("one encrypted update, already noised", "a signed commitment to it")
    sent_once: tuple[str, ...] = ("your encryption keys' shares, each sealed to one key authority",)
    never_sent: tuple[str, ...] = (
        "your examples",
        "how many they are",
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

    @property
    def left_micro(self) -> int:
        """Epsilon; below zero when the budget is overspent."""
        return self.budget_micro - self.spent.epsilon_micro


def disclose(spec: TaskSpec, task: int, examples: int, rounds_charged: int) -> Disclosure:
    """Raises NoPrivacyError for a task without noise, MalformedError for one whose accountant this phone lacks."""
    mechanism, privacy, durations = spec.learning.mechanism, spec.privacy, spec.durations
    parameters = dimension_of(spec.model)
    index_set = -(-parameters * spec.learning.sparsity.density_ppm // MICRO)
    return Disclosure(
        task=task,
        title=spec.title,
        rounds=spec.rounds,
        edge_servers=spec.edge_servers,
        authorities=tuple(member.address for member in spec.committee.members),
        threshold=spec.committee.threshold,
        rewards=spec.rewards,
        reputation=spec.reputation,
        payable_after_seconds=durations.dispute_seconds,
        claim_until_seconds=durations.task_seconds + durations.claim_seconds,
        stake=spec.deposits.client,
        examples=examples,
        parameters=parameters,
        sent_parameters=max(index_set, len(always_sent(spec.model))),
        min_clients=spec.cohort.min_clients,
        max_share_ppm=spec.cohort.max_share_ppm,
        budget_micro=privacy.epsilon_budget_micro,
        spent=spent(mechanism, privacy, rounds_charged),
        next_round=spent(mechanism, privacy, rounds_charged + 1),
        all_rounds=spent(mechanism, privacy, spec.rounds),
    )
