"""The tables of a task as its manufacturer writes it, in natural units, and what holds where an entry is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from protocol.encryption.suite import FE64
from protocol.identifiers import Address, Range
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec, ShortText
from protocol.messages.screening_terms import ScreeningTerms
from protocol.messages.task import (
    MAX_COHORT,
    CohortTerms,
    ControlTerms,
    DepositTerms,
    Durations,
    PrivacyTerms,
    ReputationTerms,
    RewardTerms,
    ScheduleTerms,
)
from protocol.messages.vouchers import VoucherTerms
from protocol.privacy.spending import CLASSICAL

Text = Annotated[str, Range(1, 4096)]


@dataclass(frozen=True, slots=True)
class TaskTable:
    title: ShortText
    rounds: Annotated[int, Range(1, 100_000)]
    edge_server: Address
    suite: ShortText = FE64
    confirmations: Annotated[int, Range(0, 1_000)] = 0
    edge_substitutes: Annotated[tuple[Address, ...], Range(0, 15)] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """Paths from the task file's folder."""

    test_set: Text
    initial_model: Text | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One of the two."""

    url: Text | None = None
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class CommitteeTable:
    threshold: Annotated[int, Range(2, 16)]
    corrupt: Annotated[int, Range(0, 15)]
    members: Annotated[tuple[Member, ...], Range(2, 16)]


@dataclass(frozen=True, slots=True)
class Tables:
    """All of the file."""

    task: TaskTable
    files: Files
    model: ModelSpec
    learning: LearningTerms
    privacy: PrivacyTerms
    cohort: CohortTerms
    reputation: ReputationTerms
    rewards: RewardTerms
    durations: Durations
    schedule: ScheduleTerms
    committee: CommitteeTable
    deposits: DepositTerms
    control: ControlTerms
    vouchers: VoucherTerms
    screening: ScreeningTerms


DENSITY: Final = Decimal("0.25")
DEFAULTS: Final[Mapping[str, Any]] = {
    "learning": {"quantiser": {"bits": 16}, "encoding": {"packing": 2}},
    "privacy": {"accountant": CLASSICAL.name},
    "cohort": {"max_share": Decimal("0.2")},
    "deposits": {},
    "control": {},
    "vouchers": {},
    "screening": {},
}


def defaults_of(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """What lies under a file's ``tables``: DEFAULTS, and what follows from other entries of the file."""
    cohort = tables.get("cohort")
    clients = cohort.get("max_clients") if isinstance(cohort, dict) else None
    most = {} if clients is None else {"max_cohort": min(clients, MAX_COHORT) if type(clients) is int else clients}
    learning = DEFAULTS["learning"] | {"sparsity": _sparsity(tables)}
    return {**DEFAULTS, "learning": learning, "cohort": {**DEFAULTS["cohort"], **most}}


def _sparsity(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """With one local step the model's step makes up for the rounds in which a coordinate was not sent."""
    learning: Any = tables.get("learning")
    parts = [learning.get(name) if isinstance(learning, dict) else None for name in ("mechanism", "sparsity")]
    mechanism, sparsity = (part if isinstance(part, dict) else {} for part in parts)
    density, once = sparsity.get("density", DENSITY), mechanism.get("local_steps") == 1
    usual = isinstance(density, Decimal) and density.is_finite() and 1 <= density * MICRO <= MICRO
    return {"density": DENSITY, "scale": round(1 / density, 6) if once and usual else Decimal(1)}
