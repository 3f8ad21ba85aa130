"""Who is in a round's cohort: a public function of the chain and of the allocation that stood.

A client is eligible that enrolled and did not leave, stands in the rosters of a threshold of authorities for the window
of the round, is refused in none, has the floor's reputation, and did not come and go too often. All who are eligible
are planned.
"""

from __future__ import annotations

from collections import Counter

from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.incentives.reputation import eligible
from protocol.messages.rosters import chosen_by
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation
from protocol.messages.task import TaskSpec
from protocol.round.restless import restless
from protocol.round.windows import window_of
from protocol.task.state import TaskState


def rostered(state: TaskState, spec: TaskSpec, number: int) -> frozenset[Address]:
    """Whom the rosters allow in round ``number``, those who left before it left out."""
    rosters = state.rosters.get(window_of(number, spec.cohort.roster_rounds), {}).values()
    clients = tuple(state.enrolled)
    held = Counter(client for roster in rosters for client in chosen_by(clients, roster.held))
    refused = {client for roster in rosters for client in chosen_by(clients, roster.refused)}
    return frozenset(
        client
        for client, authorities in held.items()
        if authorities >= spec.committee.threshold
        and client not in refused
        and state.left.get(client, number) >= number
    )


def cohort_of(state: TaskState, spec: TaskSpec, number: int, before: Allocation) -> dict[Address, int]:
    """Reputation by client. ``before``: the allocation that stands when the round opens.

    Who came and went too often is left out, unless too few would be left: then no round would ever be opened again.
    """
    allowed = rostered(state, spec, number)
    everybody = {
        entry.client: entry.reputation
        for entry in before.entitlements
        if entry.client in allowed and eligible(entry.reputation, spec.reputation)
    }
    settled = everybody.keys() - restless(state, spec.cohort, number)
    steady = {client: reputation for client, reputation in everybody.items() if client in settled}
    return steady if len(steady) >= spec.cohort.min_clients else everybody


def check_rostered(state: TaskState, spec: TaskSpec, plan: RoundPlan) -> None:
    """What a phone can say of everybody in a plan without an allocation. Raises VerificationError."""
    allowed = rostered(state, spec, plan.round)
    for entry in plan.weights:
        if entry.client not in allowed:
            raise VerificationError(
                f"{to_hex(entry.client)} is planned, and not in the rosters", fault=Party.EDGE_SERVER
            )
