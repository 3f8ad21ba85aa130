"""Whose envelopes are shown to the authorities next: of everybody who enrolled, before a round and while rounds run."""

from __future__ import annotations

from backend.rounds.moves import Knowledge, ShowEnvelopes
from protocol.identifiers import Address
from protocol.messages.task import TaskSpec
from protocol.task.state import TaskState


def to_show(waiting: tuple[Address, ...], known: Knowledge, now: int) -> ShowEnvelopes | None:
    """Whoever is new at once; the others when an authority or an envelope that was away may be back."""
    new = tuple(client for client in waiting if client not in known.shown)
    if new or (waiting and known.not_before.get(ShowEnvelopes, 0) <= now):
        return ShowEnvelopes(new or waiting)
    return None


def awaited(state: TaskState, spec: TaskSpec, known: Knowledge) -> tuple[Address, ...]:
    """Clients for whose shares a round waits: with all authorities before the first one, then with a threshold."""
    return _unshown(state, spec, known, len(spec.committee.members) if not state.rounds else spec.committee.threshold)


def missing_anywhere(state: TaskState, spec: TaskSpec, known: Knowledge) -> tuple[Address, ...]:
    """Clients whose shares some authority has not confirmed."""
    return _unshown(state, spec, known, len(spec.committee.members))


def _unshown(state: TaskState, spec: TaskSpec, known: Knowledge, enough: int) -> tuple[Address, ...]:
    """Clients whose shares fewer than ``enough`` authorities have confirmed; nobody waits for a dismissed one."""
    members = set(spec.committee.members) - state.dismissed
    enough = min(enough, len(members))
    return tuple(
        client
        for client in sorted(state.enrolled)
        if client not in known.refused
        and client not in state.left
        and len(members & known.acceptances.get(client, frozenset())) < enough
    )
