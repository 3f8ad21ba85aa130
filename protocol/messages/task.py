"""The task: everything that is agreed before anyone enrols. Its digest stands on chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from protocol.errors import SpecError
from protocol.identifiers import NATIVE_COIN, Address, Amount, Digest, PartsPerMillion, Range, Seconds
from protocol.messages.learning import LearningTerms, Micro, ModelSpec, ShortText
from protocol.messages.screening_terms import NO_SCREENING, ScreeningTerms
from protocol.messages.vouchers import NO_VOUCHERS, VoucherTerms
from protocol.version import SPEC_VERSION

MAX_SPEC_BYTES = 128 * 1024
MAX_CLIENTS = 1_000_000  # of a task
MAX_COHORT = 10_000  # of a round


@dataclass(frozen=True, slots=True)
class ControlTerms:
    """What follows from public numbers as the task goes on; 0 switches each of them off."""

    max_local_steps: Annotated[int, Range(0, 10_000)] = 0  # adapted between 1 and so many (Wang et al. 2019)
    phi_micro: Micro = 10_000  # of that rule: theirs were 25,000 and 50
    step_cost_ppm: Annotated[int, Range(0, 2**40)] = 98_896  # of a local step there, against that of a round without
    patience: Annotated[int, Range(0, 100_000)] = 0  # rounds without a better model after which none is opened
    averaged_rounds: Annotated[int, Range(0, 1_000)] = 0  # last ones, whose mean model is a document of its own


@dataclass(frozen=True, slots=True)
class PrivacyTerms:
    """What a client may spend on this task, and by whose account: ``protocol.privacy.spending`` lists them."""

    epsilon_budget_micro: Micro
    delta_exponent: Annotated[int, Range(3, 15)]  # delta = 10 ** -delta_exponent
    accountant: ShortText


@dataclass(frozen=True, slots=True)
class CohortTerms:
    min_clients: Annotated[int, Range(2, MAX_COHORT)]  # quorum of a round
    max_clients: Annotated[int, Range(2, MAX_CLIENTS)]
    max_cohort: Annotated[int, Range(2, MAX_COHORT)]  # of a round: where fewer than max_clients, they are drawn
    max_share_ppm: PartsPerMillion  # largest share of one client in the sum of weights (E_CONCENTRATION)
    roster_rounds: Annotated[int, Range(1, 100_000)] = 10  # of a window: each has encryption keys of its own
    flap_changes: Annotated[int, Range(1, 100_000)] = 4  # of a client's acceptance within ...
    flap_rounds: Annotated[int, Range(1, 100_000)] = 10  # ... so many rounds; with more it is left out for as many

    @property
    def draws(self) -> bool:
        """Not everybody may be planned at once: cohorts are drawn."""
        return self.max_cohort < self.max_clients

    def __post_init__(self) -> None:
        if not self.min_clients <= self.max_cohort <= self.max_clients:
            raise SpecError(
                "cohort.max_cohort",
                f"{self.max_cohort} is not between {self.min_clients} min_clients and {self.max_clients} max_clients",
            )


@dataclass(frozen=True, slots=True)
class ReputationTerms:
    """What ``protocol.incentives.reputation`` reads its rule table with. Raises SpecError if impossible."""

    initial: Annotated[int, Range(0, 255)]  # of an address that the ledger does not know yet
    floor: Annotated[int, Range(1, 255)]  # below it a client is not planned
    maximum: Annotated[int, Range(1, 255)]
    waiting_rounds: Annotated[int, Range(1, 255)]  # settled rounds from a bad mark at the floor back to the floor
    waiting_seconds: Annotated[int, Range(1, 2**32 - 1)] = 30 * 24 * 3600  # on the ledger: one more in each at most
    admission: Annotated[int, Range(0, 255)] = 0  # least reputation of an address that the ledger knows already
    # manufacturers; a reputation that the tasks of others gave counts as none. Empty: all count
    sources: Annotated[tuple[Address, ...], Range(0, 16)] = ()

    def __post_init__(self) -> None:
        for name in ("floor", "initial", "admission"):
            if getattr(self, name) > self.maximum:
                raise SpecError(f"reputation.{name}", f"{getattr(self, name)} is above the maximum of {self.maximum}")
        if self.waiting_rounds > self.floor:
            raise SpecError(
                "reputation.waiting_rounds", f"{self.waiting_rounds} points below a floor of {self.floor} are none"
            )


@dataclass(frozen=True, slots=True)
class RewardTerms:
    """For each accepted update: a flat share, and one that depends on what the round was worth."""

    participation: Amount  # in every settled round
    contribution: Amount  # at most; ``protocol.incentives.contribution`` says how much of it
    target_gain_ppm: Annotated[int, Range(1, 1_000_000)]  # accuracy above the best so far that releases all of it
    edge_fee: Amount = 0  # of the server that publishes a round
    authority_fee: Amount = 0  # of each authority whose share made its key
    token: Address = NATIVE_COIN  # an ERC-20 whose smallest units the amounts count, or the chain's own coin

    @property
    def update_reward(self) -> int:
        """The most that one update can earn."""
        return self.participation + self.contribution


@dataclass(frozen=True, slots=True)
class DepositTerms:
    """What parties leave with the ledger while they work for the task, each in smallest units of its token."""

    edge_server: Amount = 0
    authority: Amount = 0
    client: Amount = 0  # the stake of every enrolment, returned with the last claim


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations only; the contract fixes the instants when it sees the transactions."""

    enrolment_seconds: Seconds
    commit_seconds: Seconds  # from the opening of a round
    objection_seconds: Seconds  # from a batch, which may leave somebody out, until a key can be requested
    settle_seconds: Seconds  # from the end of the commit phase
    task_seconds: Seconds  # from posting: no round opens later
    claim_seconds: Seconds  # from the end of the task
    dispute_seconds: Seconds  # from the settlement of a round until its payout can be claimed
    takeover_seconds: Seconds  # from the end of the commit phase until another edge server may act
    roster_seconds: Annotated[int, Range(1, 2**32 - 1)] = 600  # that authorities have for their rosters


@dataclass(frozen=True, slots=True)
class ScheduleTerms:
    """When phones send, whatever their data: ``training_seconds`` after the opening of a round, and later by a draw
    of less than as many. A phone measures beforehand what ``max_examples`` take it, so it is always done by then."""

    training_seconds: Annotated[int, Range(1, 2**32 - 1)]
    max_examples: Annotated[int, Range(1, 2**24)]  # of one household


@dataclass(frozen=True, slots=True)
class Committee:
    """Authority j = 1..m is ``members[j - 1]``, whose account signs; any ``threshold`` issue a functional key.

    A round has one key even if ``corrupt`` of them sign anything. Raises SpecError where those could open alone.
    """

    threshold: Annotated[int, Range(2, 16)]
    members: Annotated[tuple[Address, ...], Range(2, 16)]
    corrupt: Annotated[int, Range(0, 15)]

    def __post_init__(self) -> None:
        if self.corrupt >= self.threshold:
            raise SpecError(
                "committee.corrupt", f"{self.corrupt} corrupt members reach the threshold of {self.threshold}"
            )

    @property
    def quorum(self) -> int:
        """Sightings that a request needs: two quorums share more than ``corrupt`` members, so one that is honest."""
        return (len(self.members) + self.corrupt) // 2 + 1

    @property
    def beyond_doubt(self) -> int:
        """Shares that agree and then are of the right key: a threshold of them is honest, or all there are agree."""
        return min(self.threshold + self.corrupt, len(self.members))


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """Raises SpecError where a substitute could not save a round, or a phone would send or object too late."""

    version: Annotated[int, Range(SPEC_VERSION, SPEC_VERSION)]
    title: ShortText
    suite: ShortText  # encryption suite, ``FE64-A/1`` or ``PAD/1``
    model: ModelSpec
    initial_model: Digest  # content digest of the safetensors parameters
    test_set: Digest  # content digest of the public test set
    rounds: Annotated[int, Range(1, 100_000)]
    confirmations: Annotated[int, Range(0, 1_000)]
    edge_server: Address
    committee: Committee
    learning: LearningTerms
    privacy: PrivacyTerms
    cohort: CohortTerms
    reputation: ReputationTerms
    rewards: RewardTerms
    durations: Durations
    schedule: ScheduleTerms
    edge_substitutes: Annotated[tuple[Address, ...], Range(0, 15)] = ()  # may take over when the edge server is late
    deposits: DepositTerms = DepositTerms()
    control: ControlTerms = ControlTerms()
    vouchers: VoucherTerms = NO_VOUCHERS  # that an enrolment shows
    screening: ScreeningTerms = NO_SCREENING  # of updates that nobody sees

    def __post_init__(self) -> None:
        if self.edge_substitutes and 2 * self.durations.takeover_seconds > self.durations.settle_seconds:
            raise SpecError(
                "durations.takeover_seconds",
                f"{self.durations.takeover_seconds}: a substitute needs at least half of the"
                f" {self.durations.settle_seconds} settle_seconds to finish a round",
            )
        owed = self.cohort.max_cohort * self.rewards.participation
        if self.deposits.edge_server < owed:
            raise SpecError(
                "deposits.edge_server",
                f"{self.deposits.edge_server}: the bond has to cover the {owed} that a cohort is owed for a round that"
                " its server leaves alone",
            )
        sent = 2 * self.schedule.training_seconds
        if 2 * (sent + self.durations.objection_seconds) > self.durations.commit_seconds:
            raise SpecError(
                "schedule.training_seconds",
                f"{self.schedule.training_seconds}: phones send for up to twice as long, which has to be in the first"
                f" half of the {self.durations.commit_seconds} commit_seconds, together with the"
                f" {self.durations.objection_seconds} objection_seconds",
            )

    @property
    def edge_servers(self) -> tuple[Address, ...]:
        """In the order of the contract's list."""
        return (self.edge_server, *self.edge_substitutes)

    def budget(self) -> int:
        """Escrow that covers every reward and fee that this task can ever owe."""
        fees = self.rewards.edge_fee + len(self.committee.members) * self.rewards.authority_fee
        return self.rounds * (self.cohort.max_cohort * self.rewards.update_reward + fees)
