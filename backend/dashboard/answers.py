"""What the dashboard reads of the API's answers. Fields that it does not show are left out: a newer API may have more.

Amounts are smallest units, instants seconds of block time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

T = TypeVar("T")
STATES: Final = ("enrolling", "running", "ended", "stopped", "unknown")
SERVICES: Final = ("served", "waiting", "refused")


def _seconds(value: Any) -> Any:
    return int(datetime.fromisoformat(value).timestamp()) if isinstance(value, str) else value


Instant = Annotated[int, BeforeValidator(_seconds)]
Amount = Annotated[int, Field(ge=0)]  # a decimal string on the wire


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Page(Answer, Generic[T]):
    items: tuple[T, ...]
    next: str | None


class Identity(Answer):
    address: str
    chain_id: int
    ledger: str


class Figure(Answer):
    """Of privacy: ``sentence`` says all that belongs to ``epsilon``."""

    epsilon: str
    epsilon_micro: int
    sentence: str

    @property
    def value(self) -> float:
        return self.epsilon_micro / 1_000_000


class Score(Answer):
    correct: int
    examples: int

    @property
    def share(self) -> float | None:
        return self.correct / self.examples if self.examples else None


class Lack(Answer):
    document: str
    lack: str
    keeper: str


class Rewards(Answer):
    participation: Amount
    contribution: Amount
    edge_fee: Amount
    authority_fee: Amount


class TaskSummary(Answer):
    task: int
    title: str
    state: str
    service: str
    manufacturer: str
    edge_server: str
    spec: str
    token: str
    escrow: Amount
    rewards: Rewards
    enrolled: int
    left: int
    min_clients: int
    max_clients: int
    max_cohort: int
    needs_voucher: bool
    rounds: int
    published: int
    max_rounds: int
    posted_block: int
    posted_transaction: str
    enrol_until: Instant | None
    task_until: Instant | None
    claim_until: Instant | None
    score: Score | None
    privacy: Figure | None
    lacking: tuple[Lack, ...]


class Mechanism(Answer):
    kind: str
    unit: str
    local_steps: int


class Agreed(Answer):
    suite: str
    classes: int
    layers: tuple[str, ...]
    parameters: int
    mechanism: Mechanism
    epsilon_budget_micro: int
    delta_exponent: int
    accountant: str
    ciphertext_bytes: int | None
    training_seconds: int
    commit_seconds: int
    settle_seconds: int
    dispute_seconds: int

    @property
    def budget(self) -> float:
        """Epsilon that the task may spend at most; 0: it promises none."""
        return self.epsilon_budget_micro / 1_000_000


class EdgeServer(Answer):
    address: str
    acting: bool
    dismissed: bool
    bond: Amount


class TaskDetails(TaskSummary):
    threshold: int
    servers: tuple[EdgeServer, ...]
    agreed: Agreed | None
    invitation: str | None


class Refusal(Answer):
    client: str
    reason: str


class Transactions(Answer):
    opened: str
    batched: str | None
    screening: str | None
    requested: str | None
    ended: str | None


class RoundGas(Answer):
    """Units of gas; ``lacking``: why there is no total, ``awaited`` or ``missing``."""

    opened: int | None
    batched: int | None
    screening: int | None
    requested: int | None
    ended: int | None
    direct: int | None
    total: int | None
    per_update: int | None
    lacking: str | None


class Round(Answer):
    round: int
    state: str
    outcome: str | None
    edge_server: str
    culprit: str | None
    opened_block: int
    ended_block: int | None
    commit_until: Instant
    settle_until: Instant
    plan: str
    label: str
    cohort: int
    batched: int
    direct: int
    committed: int
    accepted: int | None
    rejected: tuple[Refusal, ...] | None
    screening: str | None
    model: str | None
    score: Score | None
    privacy: Figure | None
    allocated: Amount | None
    compensation: Amount
    lacking: tuple[Lack, ...]
    transactions: Transactions
    gas: RoundGas | None
    milliseconds: Mapping[str, int]

    @property
    def seconds(self) -> float | None:
        """That the server's moves took together; None where it measured none."""
        return sum(self.milliseconds.values()) / 1000 if self.milliseconds else None

    @property
    def gas_used(self) -> int | None:
        return self.gas.total if self.gas is not None else None


class Client(Answer):
    address: str
    enrolled_block: int
    left: bool
    planned: int
    committed: int
    accepted: int
    rejected: Mapping[str, int]
    reputation: int
    earned: Amount
    payable: Amount
    claimed: Amount
    compensated: Amount


class RewardMoney(Answer):
    allocated: Amount
    disputable: Amount
    payable: Amount
    claimed: Amount
    unclaimed: Amount
    compensated: Amount
    compensation_owed: Amount


class Fees(Answer):
    edge_servers: Amount
    authorities: Amount


class Deposit(Answer):
    holder: str
    role: str
    amount: Amount


class Credit(Answer):
    holder: str
    amount: Amount


class Money(Answer):
    token: str
    escrow: Amount
    forfeited: Amount
    held: Amount
    rewards: RewardMoney
    fees: Fees | None
    refunded: Amount
    refundable: Amount
    bonds: tuple[Deposit, ...]
    stakes: Amount
    credits: tuple[Credit, ...]


class Authority(Answer):
    address: str
    position: int
    dismissed: bool
    bond: Amount
    last_roster: int | None
    last_answer: Instant | None
    last_failure: Instant | None
    code: str | None


class AuthorityList(Answer):
    threshold: int
    members: tuple[Authority, ...]


class Model(Answer):
    round: int
    digest: str
    transaction: str
    score: Score
    privacy: Figure | None


class Problem(Answer):
    """What the API answers when it cannot (RFC 9457)."""

    status: int
    detail: str
    code: str
