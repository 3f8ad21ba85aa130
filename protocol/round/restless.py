"""Who comes and goes too often: two sums that differ in one client show its update, so nobody is in and out at will.

A client is restless whose acceptance changed more than ``flap_changes`` times within ``flap_rounds`` rounds; it is not
planned for as many rounds afterwards. Counted from one settled round in which it was planned to the next one.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from protocol.identifiers import Address
from protocol.messages.task import CohortTerms
from protocol.task.documents import Absent
from protocol.task.round_facts import RoundFacts, Settled
from protocol.task.state import TaskState


def restless(state: TaskState, terms: CohortTerms, number: int) -> frozenset[Address]:
    """As round ``number`` has it, from public records of the last rounds; one that is withheld says nothing."""
    changes = _changes(state, counted(state, terms, number))
    return frozenset(client for client, rounds in changes.items() if _too_many(rounds, terms, number))


def is_told(state: TaskState, terms: CohortTerms, number: int) -> bool:
    """Nothing is missing of what :func:`restless` asks for."""
    rounds = (facts for facts in counted(state, terms, number) if isinstance(facts.ended, Settled))
    documents = ((state.plan(facts.number), state.record(facts.number)) for facts in rounds)
    return not any(isinstance(document, Absent) for pair in documents for document in pair)


def counted(state: TaskState, terms: CohortTerms, number: int) -> tuple[RoundFacts, ...]:
    """The rounds that say who is restless in round ``number``."""
    return state.rounds[max(0, number - 2 * terms.flap_rounds - 1) : number - 1]


def _too_many(changes: list[int], terms: CohortTerms, number: int) -> bool:
    """Whether a stretch of rounds with too many changes ended within the last ``flap_rounds``."""
    return any(
        last >= number - terms.flap_rounds and last - first < terms.flap_rounds
        for first, last in zip(changes, changes[terms.flap_changes :], strict=False)
    )


def _changes(state: TaskState, rounds: tuple[RoundFacts, ...]) -> dict[Address, list[int]]:
    """Those of the ``rounds`` in which the acceptance of a client was another one than before."""
    seen: defaultdict[Address, list[tuple[int, bool]]] = defaultdict(list)
    for facts in rounds:
        plan, record = state.plan(facts.number), state.record(facts.number)
        if not isinstance(facts.ended, Settled) or isinstance(plan, Absent) or isinstance(record, Absent):
            continue
        accepted = set(record.verdict.accepted)
        for entry in plan.weights:
            seen[entry.client].append((facts.number, entry.client in accepted))
    return {
        client: [later for (_, before), (later, after) in pairwise(those) if before != after]
        for client, those in seen.items()
    }
