"""The figures at the demonstration's end: read from chain, content and the phones' own counts, then shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from protocol.canonical import decode
from protocol.identifiers import Digest, to_hex
from protocol.messages.chain import (
    BatchCommitted,
    Claimed,
    DirectCommitted,
    Enrolled,
    Event,
    KeyRequested,
    Refunded,
    RoundAbandoned,
    RoundOpened,
    RoundPublished,
)
from protocol.messages.settlement import MAX_RECORD_BYTES, Allocation, RoundRecord
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.specification import dimension_of
from storage.content.interface import ContentStore, get_document
from storage.ledger.ethereum.ledger import EthereumReader

_ROUND_TRANSACTIONS = (RoundOpened, BatchCommitted, DirectCommitted, KeyRequested, RoundPublished, RoundAbandoned)


@dataclass
class DemoReport:
    """Everything that the tables and the JSON file show. Money in wei, gas in gas, time in seconds."""

    spec: TaskSpec
    accuracy: list[float] = field(default_factory=list)
    records: list[RoundRecord] = field(default_factory=list)
    seconds_by_phase: list[Mapping[str, float]] = field(default_factory=list)
    bytes_by_round: list[float] = field(default_factory=list)
    gas_by_round: list[int] = field(default_factory=list)
    updates: int = 0
    gas_all: int = 0
    rewards: dict[str, int] = field(default_factory=dict)  # claimed, by address
    participation: dict[str, int] = field(default_factory=dict)  # the flat part of what was earned
    contribution: dict[str, int] = field(default_factory=dict)  # the rest of it
    refund: int = 0
    reputation: dict[str, int] = field(default_factory=dict)
    all_claimed: bool = False

    @property
    def epsilon(self) -> float:
        """Spent by the client that took part in every round."""
        return self.records[-1].charge.epsilon if self.records else 0.0

    @property
    def dense_bytes(self) -> int:
        return 4 * dimension_of(self.spec.model)

    @property
    def bytes_per_update(self) -> float:
        return sum(self.bytes_by_round) / max(1, len(self.bytes_by_round))

    def figures(self) -> dict[str, Any]:
        """The part of the JSON that comes from this task."""
        return {
            "accuracy": self.accuracy,
            "epsilon": self.epsilon,
            "delta": float(f"1e-{self.spec.privacy.delta_exponent}"),
            "accountant": self.spec.privacy.accountant,
            "bytes_per_update": round(self.bytes_per_update, 1),
            "dense_bytes_per_update": self.dense_bytes,
            "gas_per_round": round(sum(self.gas_by_round) / max(1, len(self.gas_by_round))),
            "gas_per_update": round(sum(self.gas_by_round) / max(1, self.updates)),
            "gas_per_update_all_in": round(self.gas_all / max(1, self.updates)),
            "rewards": self.rewards,
            "participation": self.participation,
            "contribution": self.contribution,
            "refund": self.refund,
            "reputation": self.reputation,
            "all_claimed": self.all_claimed,
            "suite": self.spec.suite,
        }


def collect(
    ledger: EthereumReader,
    store: ContentStore,
    task: int,
    status_rounds: Sequence[Mapping[str, Any]],
    bytes_reports: Sequence[Mapping[str, int]],
) -> DemoReport:
    """``status_rounds``: the edge server's own account of its phases; ``bytes_reports``: of each phone, by round."""
    events, view = ledger.events(task), ledger.task(task)
    report = DemoReport(decode(TaskSpec, get_document(store, view.spec, MAX_SPEC_BYTES), MAX_SPEC_BYTES))
    gas = _gas_by_transaction(ledger, events)
    by_round: dict[int, dict[Digest, int]] = {}
    for event in events:
        if isinstance(event, _ROUND_TRANSACTIONS):
            by_round.setdefault(event.round, {})[event.transaction] = gas[event.transaction]
        if isinstance(event, RoundPublished | RoundAbandoned):
            record = decode(RoundRecord, get_document(store, event.record, MAX_RECORD_BYTES), MAX_RECORD_BYTES)
            report.records.append(record)
            report.updates += len(record.verdict.accepted)
        if isinstance(event, Refunded):
            report.refund += event.amount
        if isinstance(event, RoundPublished):
            report.accuracy.append(event.correct / event.examples)
    report.gas_by_round = [sum(by_round[number].values()) for number in sorted(by_round)]
    around = {e.transaction: gas[e.transaction] for e in events if isinstance(e, Enrolled | Claimed)}
    report.gas_all = sum(report.gas_by_round) + sum(around.values())
    report.seconds_by_phase = [dict(entry.get("seconds", {})) for entry in status_rounds]
    for number in sorted(by_round):
        sent = [counts[str(number)] for counts in bytes_reports if str(number) in counts]
        report.bytes_by_round.append(sum(sent) / max(1, len(sent)))
    _collect_rewards(report, ledger, store, task)
    return report


def _gas_by_transaction(ledger: EthereumReader, events: Sequence[Event]) -> dict[Digest, int]:
    return {transaction: ledger.gas_used(transaction) for transaction in {event.transaction for event in events}}


def _collect_rewards(report: DemoReport, ledger: EthereumReader, store: ContentStore, task: int) -> None:
    if not report.records:
        return
    data = get_document(store, report.records[-1].allocation, MAX_RECORD_BYTES)
    allocation = decode(Allocation, data, MAX_RECORD_BYTES)
    updates = Counter(client for record in report.records for client in record.verdict.accepted)
    for entry in allocation.entitlements:
        name = to_hex(entry.client)
        report.rewards[name] = ledger.claimed(task, entry.client)
        report.participation[name] = updates[entry.client] * report.spec.rewards.participation
        report.contribution[name] = entry.cumulative - report.participation[name]
        report.reputation[name] = entry.reputation
    report.all_claimed = all(
        report.rewards[to_hex(entry.client)] == entry.cumulative for entry in allocation.entitlements
    )


def print_tables(report: DemoReport, audit: Mapping[str, Any], console: Console) -> None:
    rounds = _table("Rounds", "round", "accuracy", "epsilon", "bytes/update", "of dense", "gas")
    accuracies = iter(report.accuracy)
    for index, record in enumerate(report.records):
        sent = report.bytes_by_round[index]
        rounds.add_row(
            str(index + 1),
            f"{next(accuracies):.4f}" if record.examples else "abandoned",
            f"{record.charge.epsilon:.3f}",
            f"{sent:,.0f}",
            f"{sent / report.dense_bytes:.0%}",
            f"{report.gas_by_round[index]:,}",
        )
    console.print(rounds)
    phases = sorted({name for entry in report.seconds_by_phase for name in entry})
    seconds = _table("Seconds per phase", "round", *phases)
    for number, entry in enumerate(report.seconds_by_phase, start=1):
        seconds.add_row(str(number), *(f"{entry.get(phase, 0):.2f}" for phase in phases))
    console.print(seconds)
    clients = _table("Clients", "client", "participation (wei)", "contribution (wei)", "reputation")
    for client, reputation in report.reputation.items():
        shares = report.participation[client], report.contribution[client]
        clients.add_row(f"{client[:10]}..{client[-4:]}", *(f"{wei:,}" for wei in shares), str(reputation))
    console.print(clients)
    escrow, claimed = report.spec.budget(), sum(report.rewards.values())
    console.print(
        f"escrow {escrow:,} wei: {claimed:,} claimed by clients, {report.refund:,} refunded to the manufacturer",
        soft_wrap=True,
    )
    figures = report.figures()
    console.print(
        f"gas per round {figures['gas_per_round']:,}, per update {figures['gas_per_update']:,},"
        f" with enrolment and claims {figures['gas_per_update_all_in']:,}"
    )
    if report.records:
        charge = report.records[-1].charge
        console.print(
            f"privacy: epsilon {charge.epsilon:.3f} at delta 1e-{charge.delta_exponent} ({charge.accountant});"
            f" the figure {'; it '.join(charge.assumptions)}",
            soft_wrap=True,
        )
    verdict = audit["verdict"]
    style = "bold green" if verdict == "PASS" else "bold red"
    console.print(f"audit: [{style}]{verdict}[/], {audit['checks']} checks, {audit['failed']} failed")


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
