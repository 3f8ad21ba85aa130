"""Whether the chain has acts of this server that its records do not know: then they are an older copy of themselves.

Before each of its acts a server keeps that it is about to do it. What it signs beside the chain follows such an act, so
it is in doubt from there on.
"""

from __future__ import annotations

from backend.rounds.entries import TaskRecords
from protocol.identifiers import Address
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState


def has_forgotten(state: TaskState, known: TaskRecords, own: Address) -> bool:
    return any(_is_unknown(facts, known, own) for facts in state.rounds[known.forgotten :])


def _is_unknown(facts: RoundFacts, known: TaskRecords, own: Address) -> bool:
    kept = known.round(facts.number)
    opened = facts.server == own and not kept.is_known
    batched = facts.server == own and facts.batched is not None and not kept.closed
    requested = facts.requested_by == own and not kept.has_verdict
    screened = facts.screening_by == own and not kept.has_gram
    return opened or batched or requested or screened
