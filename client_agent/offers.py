"""Every ledger is a public directory: which of its open tasks are for this household, by the household's own checks.

Chain and content are read, as anybody may; nothing is asked of anybody else and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from client_agent.policy import Policy
from client_agent.privacy.ledger import HOME, Spending
from protocol.domain import Domain
from protocol.identifiers import NATIVE_COIN, Address, Digest
from protocol.messages.learning import MICRO
from protocol.messages.task import TaskSpec
from protocol.model.dataset import Examples
from protocol.privacy.figure import PrivacyFigure
from protocol.text import shown


class Reason(StrEnum):
    """Why a task is not for this household: all that there is, each with the ``facts`` that its obstacle has."""

    SPEC = "spec"  # it cannot be read: ``lack``
    UNRUNNABLE = "unrunnable"  # no round of it can ever be published: the obstacle's line is the task file's
    ENROLLED = "enrolled"  # this account is in it already
    FULL = "full"  # ``enrolled``, ``most``
    OVER = "over"  # nobody can enrol any more
    LATE = "late"  # no round is left for who enrols now
    ACCOUNT = "account"  # another task holds this account: ``task``, ``until`` in seconds of block time
    VOUCHER = "voucher"  # an invitation with an appliance's code is needed
    REPUTATION = "reputation"  # ``yours``, ``least``
    POLICY = "policy"  # the obstacle's line is the policy's: ``asked``, ``allowed``
    PRIVACY = "privacy"  # of all tasks together, as for the policy
    DATA = "data"  # inputs of another shape: ``asked``, ``yours``
    LABELS = "labels"  # other labels: ``most``, and ``yours`` unless there are none
    APPLIANCES = "appliances"  # it protects appliances, and examples do not say of which one they are
    EXAMPLES = "examples"  # there are none yet
    TOO_MANY = "too many"  # examples of one household: ``most``, ``yours``


@dataclass(frozen=True, slots=True)
class Obstacle:
    """``text``: one line for people, in English. ``line``: of the policy or the task file, table first; else empty.
    ``facts``: as :class:`Reason` says, for whoever writes the line in another language."""

    reason: Reason
    text: str
    line: str = ""
    facts: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is known of a household's examples without looking at one. ``classes``: one more than the largest label,
    None where labels are no whole numbers. ``shape``: of one input."""

    examples: int
    shape: tuple[int, ...]
    classes: int | None
    by_appliance: bool


def data_facts(examples: Examples) -> DataFacts:
    """Raises MalformedError for arrays that no task can use."""
    inputs, labels = examples.labelled()
    whole = labels.dtype.kind in "iub" and len(labels) > 0 and int(labels.min()) >= 0
    classes = int(labels.max()) + 1 if whole else None
    return DataFacts(len(labels), inputs.shape[1:], classes, examples.owners is not None)


@dataclass(frozen=True, slots=True)
class Seeker:
    """A household that looks for work. ``data`` None: nothing of its examples is known, so nothing is held against
    them."""

    client: Address
    policy: Policy
    spending: Spending
    data_set: str = HOME
    data: DataFacts | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One open task as this household would have it. Instants are seconds of block time.

    ``rounds``: from ``first_round`` on, at most; ``reward``: the most that they pay one household, in smallest units of
    ``token``. ``figure``: of these rounds alone; None where nothing is guaranteed.
    """

    domain: Domain
    task: int
    spec: Digest
    manufacturer: Address
    terms: TaskSpec | None  # None while it cannot be read
    first_round: int
    rounds: int
    reward: int
    token: Address
    figure: PrivacyFigure | None
    enrolled: int
    max_clients: int
    enrol_until: int
    task_until: int
    now: int
    obstacles: tuple[Obstacle, ...]

    @property
    def qualifies(self) -> bool:
        return not self.obstacles

    @property
    def title(self) -> str:
        """Printable; empty while the spec cannot be read."""
        return shown(self.terms.title) if self.terms else ""

    @property
    def reward_per_epsilon(self) -> Fraction | None:
        """Smallest units for an epsilon of one, exactly; None without a guarantee."""
        return None if self.figure is None else Fraction(self.reward * MICRO, max(1, self.figure.epsilon_micro))


def by_worth(offer: Offer) -> tuple[bool, bool, Address, Fraction, int]:
    """What offers are sorted by: a guarantee first, then the most reward for its privacy.

    Amounts of two tokens cannot be compared: the chain's own coin is in front of all of them.
    """
    worth = offer.reward_per_epsilon
    return worth is None, offer.token != NATIVE_COIN, offer.token, -(worth or Fraction()), offer.task
