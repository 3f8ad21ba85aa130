"""What a spec means for those who pay and those who take part, before anybody does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from protocol.domain import Domain
from protocol.errors import PolicyError
from protocol.messages.task import TaskSpec
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.spending import planned, spent
from protocol.task.owner_limits import AcceptedChain, OwnerLimits, TrustLimits, refusals
from protocol.task.runnable import doubts
from protocol.task.work import Work, work_of

POST_GAS: Final = 455_297  # measured: contracts/gas.json
ROUND_GAS: Final = 129_385 + 71_583 + 72_016 + 124_888  # of the server: open, commit, request, publish
SCREENING_GAS: Final = 70_035  # of a screened round besides

Owner = Literal["unchanged", "trusting"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Of one kind of owner: the policy's line, and why it stands against the task."""

    owner: Owner
    line: str
    asked: str
    allowed: str
    reason: str


@dataclass(frozen=True, slots=True)
class Figures:
    """``reward``: of one household that takes part in every round; ``flat`` of it whatever the rounds gain."""

    escrow: int
    reward: int
    flat: int
    privacy: PrivacyFigure
    work: Work
    smallest: int
    expected: int
    noise_micro: int
    screening: str
    refusals: tuple[Refusal, ...]
    doubts: tuple[str, ...]


def figures_of(spec: TaskSpec, domain: Domain) -> Figures:
    """Raises NoPrivacyError where there is no noise."""
    work, rewards = work_of(spec), spec.rewards
    return Figures(
        escrow=spec.budget(),
        reward=spec.rounds * rewards.update_reward,
        flat=spec.rounds * rewards.participation,
        privacy=spent(planned(spec, spec.rounds), spec.learning, spec.privacy).figure,
        work=work,
        smallest=spec.cohort.min_clients,
        expected=spec.cohort.max_cohort,
        noise_micro=spec.learning.mechanism.noise_multiplier_micro,
        screening=spec.screening.rule,
        refusals=tuple(_refusals(spec, domain, work)),
        doubts=tuple(doubts(spec)),
    )


def _refusals(spec: TaskSpec, domain: Domain, work: Work) -> Iterator[Refusal]:
    """Of owners who changed nothing, and of those who listed this ledger and these authorities but nothing else.

    What both refuse stands once, under the second.
    """
    trust = TrustLimits(chains=(AcceptedChain(domain.chain_id, (domain.ledger,)),), authorities=spec.committee.members)
    trusting = list(refusals(OwnerLimits(trust=trust), spec, domain, work))
    known = {error.line for error in trusting}
    yield from (_refusal("trusting", error) for error in trusting)
    unchanged = refusals(OwnerLimits(), spec, domain, work)
    yield from (_refusal("unchanged", error) for error in unchanged if error.line not in known)


def _refusal(owner: Owner, error: PolicyError) -> Refusal:
    return Refusal(owner, error.line, error.asked, error.allowed, str(error.args[0]))
