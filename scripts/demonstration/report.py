"""The figures at the demonstration's end: read from chain, content and the phones' own counts, then shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from protocol.errors import VerificationError
from protocol.identifiers import Digest, to_hex
from protocol.messages.chain import (
    BatchCommitted,
    Claimed,
    DirectCommitted,
    Enrolled,
    Event,
    KeyRequested,
    RoundAbandoned,
    RoundOpened,
    RoundPublished,
    ScreeningRequested,
)
from protocol.messages.learning import MICRO
from protocol.messages.settlement import Allocation, Verdict
from protocol.messages.task import TaskSpec
from protocol.model.specification import dimension_of
from protocol.task.documents import Kind
from protocol.task.state import TaskState
from protocol.task.status import TaskStatus, status_of
from scripts.demonstration.screen import show, table
from storage.content.interface import ContentStore
from storage.ledger.ethereum.ledger import EthereumReader
from storage.task_reader import TaskReader

_ROUND_TRANSACTIONS = (
    RoundOpened, BatchCommitted, DirectCommitted, ScreeningRequested, KeyRequested, RoundPublished, RoundAbandoned
)  # fmt: skip
_KINDS: Final = (Kind.SPEC, Kind.RECORD, Kind.ALLOCATION)


@dataclass
class DemoReport:
    """Everything that the tables and the JSON file show. Money in wei, gas in gas, time in seconds."""

    spec: TaskSpec
    status: TaskStatus
    milliseconds_by_move: list[Mapping[str, int]] = field(default_factory=list)
    bytes_by_round: list[float] = field(default_factory=list)  # that a phone sent for an update, questions included
    ciphertext_bytes_by_round: list[float] = field(default_factory=list)
    gas_by_round: list[int] = field(default_factory=list)
    gas_all: int = 0
    rewards: dict[str, int] = field(default_factory=dict)  # claimed by clients, by address
    edge_fees: int = 0  # claimed
    authority_fees: int = 0  # likewise
    participation: dict[str, int] = field(default_factory=dict)  # the flat part of what was earned
    contribution: dict[str, int] = field(default_factory=dict)  # the rest of it
    reputation: dict[str, int] = field(default_factory=dict)
    all_claimed: bool = False
    phone_megabytes: float = 0.0  # the most that any phone needed
    phone_start_seconds: float = 0.0  # of one processor, until the slowest phone asked its first question
    persistence: float | None = None  # accuracy of the guess that nothing changes, where numbers are predicted

    @property
    def accuracy(self) -> list[float]:
        """Of every published model."""
        return [entry.accuracy for entry in self.status.rounds if entry.accuracy is not None]

    @property
    def dense_bytes(self) -> int:
        return 4 * dimension_of(self.spec.model)

    def figures(self) -> dict[str, Any]:
        """The part of the JSON that comes from this task."""
        updates = max(1, sum(entry.accepted for entry in self.status.rounds))
        return {
            "accuracy": self.accuracy,
            "persistence": self.persistence,
            "epsilon": self.status.epsilon,
            "delta": float(f"1e-{self.spec.privacy.delta_exponent}"),
            "accountant": self.spec.privacy.accountant,
            "privacy": [str(figure) for charge in self.status.charge for figure in charge.figures],
            "bytes_per_update": round(_mean(self.bytes_by_round), 1),
            "ciphertext_bytes_per_update": round(_mean(self.ciphertext_bytes_by_round), 1),
            "dense_bytes_per_update": self.dense_bytes,
            "gas_per_round": round(_mean(self.gas_by_round)),
            "gas_per_update": round(sum(self.gas_by_round) / updates),
            "gas_per_update_all_in": round(self.gas_all / updates),
            "rewards": self.rewards,
            "participation": self.participation,
            "contribution": self.contribution,
            "edge_fees": self.edge_fees,
            "authority_fees": self.authority_fees,
            "compensated": self.status.compensated,
            "refund": self.status.refunded,
            "reputation": self.reputation,
            "all_claimed": self.all_claimed,
            "phone_megabytes": self.phone_megabytes,
            "phone_start_seconds": self.phone_start_seconds,
            "suite": self.spec.suite,
            "screening": self.spec.screening.rule,
        }


def collect(
    ledger: EthereumReader,
    store: ContentStore,
    task: int,
    edge_status: TaskStatus | None,
    phones: Sequence[Mapping[str, Any]],
) -> DemoReport:
    """``edge_status``: for the times of the edge server's moves; ``phones``: what each says of itself."""
    events, now = ledger.events(task), ledger.now()
    reader = TaskReader(store, task, _KINDS)
    reader.follow(events)
    reader.fetch(now)
    if not isinstance(reader.state.spec, TaskSpec):
        raise VerificationError(f"the spec of task {task} cannot be read")
    report = DemoReport(reader.state.spec, status_of(reader.state, now))
    gas = _gas_by_transaction(ledger, events)
    by_round: dict[int, dict[Digest, int]] = {}
    for event in events:
        if isinstance(event, _ROUND_TRANSACTIONS):
            by_round.setdefault(event.round, {})[event.transaction] = gas[event.transaction]
    report.gas_by_round = [sum(by_round[number].values()) for number in sorted(by_round)]
    around = {e.transaction: gas[e.transaction] for e in events if isinstance(e, Enrolled | Claimed)}
    report.gas_all = sum(report.gas_by_round) + sum(around.values())
    report.milliseconds_by_move = [entry.milliseconds for entry in edge_status.rounds] if edge_status else []
    for number in sorted(by_round):
        report.bytes_by_round.append(_of_round(phones, "bytes_per_round", number))
        report.ciphertext_bytes_by_round.append(_of_round(phones, "ciphertext_bytes_per_round", number))
    report.phone_megabytes = round(max(phone["peak_megabytes"] or 0.0 for phone in phones), 1)
    report.phone_start_seconds = max(phone["start_seconds"] for phone in phones)
    _collect_rewards(report, reader.state)
    return report


def _of_round(phones: Sequence[Mapping[str, Any]], figure: str, number: int) -> float:
    """The mean over the phones that have it for this round."""
    return _mean([phone[figure][str(number)] for phone in phones if str(number) in phone[figure]])


def _mean(figures: Sequence[float]) -> float:
    return sum(figures) / max(1, len(figures))


def _gas_by_transaction(ledger: EthereumReader, events: Sequence[Event]) -> dict[Digest, int]:
    return {transaction: ledger.gas_used(transaction) for transaction in {event.transaction for event in events}}


def _collect_rewards(report: DemoReport, state: TaskState) -> None:
    last = state.last_settled()
    allocation = state.allocation(last.number) if last is not None else None
    if not isinstance(allocation, Allocation):
        return
    verdicts = [state.verdict(facts.number) for facts in state.rounds]
    updates = Counter(client for verdict in verdicts if isinstance(verdict, Verdict) for client in verdict.accepted)
    claimed = {client: claim.cumulative for client, claim in state.claims.items()}
    for entry in allocation.entitlements:
        if entry.client in state.enrolled:
            name = to_hex(entry.client)
            report.rewards[name] = claimed.get(entry.client, 0)
            report.participation[name] = updates[entry.client] * report.spec.rewards.participation
            report.contribution[name] = entry.cumulative - report.participation[name]
            report.reputation[name] = entry.reputation
    servers, authorities = set(report.spec.edge_servers), set(report.spec.committee.members)
    report.edge_fees = sum(amount for holder, amount in claimed.items() if holder in servers)
    report.authority_fees = sum(amount for holder, amount in claimed.items() if holder in authorities)
    report.all_claimed = all(claimed.get(entry.client, 0) == entry.cumulative for entry in allocation.entitlements)


def print_tables(report: DemoReport, audit: Mapping[str, Any], console: Console) -> None:
    rounds = table("Rounds", "round", "accuracy", "epsilon", "bytes/update", "of dense", "gas")
    for entry, sent, gas in zip(report.status.rounds, report.bytes_by_round, report.gas_by_round, strict=True):
        rounds.add_row(
            str(entry.round),
            entry.state if entry.accuracy is None else f"{entry.accuracy:.4f}",
            f"{entry.epsilon_micro / MICRO:.3f}",
            f"{sent:,.0f}",
            f"{sent / report.dense_bytes:.0%}",
            f"{gas:,}",
        )
    show(console, rounds)
    if report.persistence is not None:
        console.print(f"that the last number goes on is right as often as {report.persistence:.4f} (persistence)")
    moves = sorted({name for measured in report.milliseconds_by_move for name in measured})
    seconds = table("Seconds of the edge server's moves", "round", *map(_words, moves))
    for number, measured in enumerate(report.milliseconds_by_move, start=1):
        seconds.add_row(str(number), *(f"{measured.get(move, 0) / 1_000:.2f}" for move in moves))
    show(console, seconds)
    clients = table("Clients", "client", "participation (wei)", "contribution (wei)", "reputation")
    for client, reputation in report.reputation.items():
        shares = report.participation[client], report.contribution[client]
        clients.add_row(f"{client[:10]}..{client[-4:]}", *(f"{wei:,}" for wei in shares), str(reputation))
    show(console, clients)
    status = report.status
    show(console, _money_table(report))
    figures = report.figures()
    console.print(
        f"gas per round {figures['gas_per_round']:,}, per update {figures['gas_per_update']:,},"
        f" with enrolment and claims {figures['gas_per_update_all_in']:,}"
    )
    console.print(
        f"a phone needs at most {report.phone_megabytes:.0f} MB, and to start"
        f" {report.phone_start_seconds:.1f} s of one processor"
    )
    for charge in status.charge:
        console.print(
            f"privacy: {'; '.join(map(str, charge.figures))}; the figure {'; it '.join(charge.assumptions)}",
            soft_wrap=True,
        )
    verdict = audit["verdict"]
    style = "bold green" if verdict == "PASS" else "bold red"
    console.print(f"audit: [{style}]{verdict}[/], {audit['checks']} checks, {audit['failed']} failed")


def _money_table(report: DemoReport) -> Table:
    """Adds up: every unit of the escrow went to somebody."""
    status = report.status
    money = Table(title="Where the escrow went (wei)", show_header=False, show_footer=True)
    money.add_column(footer="escrow")
    money.add_column(justify="right", footer=f"{status.escrow:,}")
    for holder, amount in (
        ("clients: rewards", sum(report.rewards.values())),
        ("clients: compensations", status.compensated),
        ("edge server: fees", report.edge_fees),
        ("key authorities: fees", report.authority_fees),
        ("manufacturer: refunded", status.refunded),
    ):
        money.add_row(holder, f"{amount:,}")
    return money


def _words(name: str) -> str:
    """``CommitBatch`` as "commit batch", which a narrow column can break."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
