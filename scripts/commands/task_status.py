"""``hearth task status``: the one status view of a task, read from the chain and, if there is one, a content store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from protocol.identifiers import to_hex
from protocol.messages.settlement import GARBAGE
from protocol.task.documents import Kind
from protocol.task.fold import BlockMined, apply, fold
from protocol.task.status import RoundStatus, TaskStatus, status_of
from protocol.text import shown
from storage.content.interface import ContentStore
from storage.ledger.interface import LedgerReader
from storage.task_reader import TaskReader

KINDS: Final = (Kind.SPEC, Kind.PLAN, Kind.BATCH, Kind.RECORD, Kind.ALLOCATION)  # the small ones


_SCREENING: Final = {
    "requested": "authorities were asked to open it",
    "opened": "opened by its authorities",
    "unopened": "too few authorities opened it",
}


def read_status(ledger: LedgerReader, store: ContentStore | None, task: int) -> TaskStatus:
    """Of a task that nobody posted, too. Raises LedgerError, StoreUnavailableError."""
    events, now = ledger.events(task), ledger.now()
    if store is None:
        state = fold(task, events)
    else:
        reader = TaskReader(store, task, KINDS)
        reader.follow(events)
        reader.fetch(now)
        state = reader.state
    facts = state.last_settled()
    if facts is not None and facts.settled is not None:
        block = facts.settled.block
        state = apply(state, BlockMined(block, ledger.block_timestamp(block)))
    return status_of(state, now)


def lines_of(status: TaskStatus) -> Iterator[str]:
    """One line a fact, then one line a round."""
    for field in fields(status):
        value = getattr(status, field.name)
        if field.name == "charge":
            yield from (f"{'privacy':>16}: {figure}" for charge in value for figure in charge.figures)
        elif field.name not in ("rounds", "lacking"):
            yield f"{field.name:>16}: {to_hex(value) if isinstance(value, bytes) else shown(str(value))}"
    for lacking in status.lacking:
        yield f"{lacking.document:>16}: {lacking.lack}, was to be kept by {to_hex(lacking.keeper)}"
    for round_status in status.rounds:
        yield f"{f'round {round_status.round}':>16}: {', '.join(_facts_of(round_status))}"


def _facts_of(status: RoundStatus) -> Iterator[str]:
    yield status.state
    yield f"{status.committed} of {status.cohort} committed"
    if status.screening:
        yield _SCREENING[status.screening]
    if status.epsilon_micro:  # its record was read
        yield f"{status.accepted} accepted"
        left_out = Counter(entry.reason for entry in status.rejected)
        yield from (f"{count} left out: {shown(reason)}" for reason, count in sorted(left_out.items()))
    if status.accuracy is not None:
        yield f"accuracy {status.correct}/{status.examples}"
        yield f"model {to_hex(status.model)}"
    if status.outcome == GARBAGE:
        yield "its sum was garbage, so the model stays as it was"
    if status.compensation:
        yield f"{status.compensation} owed to each client that committed"
    for lacking in status.lacking:
        yield f"{lacking.document} {lacking.lack}, was to be kept by {to_hex(lacking.keeper)}"
