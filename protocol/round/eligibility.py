"""Who is in a round's cohort: a public function of the chain and of the allocation that stood.

A client is eligible that enrolled and did not leave, stands in the rosters of a threshold of authorities for the window
of the round, is refused in none, has the floor's reputation, and did not come and go too often. All who are eligible
are planned, or as many of them as the round takes, drawn by the hash of a block.
"""

from __future__ import annotations

from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest, to_hex
from protocol.incentives.reputation import eligible
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation
from protocol.messages.task import TaskSpec
from protocol.round.draw import drawn
from protocol.round.restless import is_told, restless
from protocol.task.documents import Absent, Lack, UnderivableError, there
from protocol.task.past import allocation_before, settled_at_opening
from protocol.task.state import TaskState


def rostered(state: TaskState, spec: TaskSpec, number: int) -> frozenset[Address]:
    """Whom the rosters allow in round ``number``, of those who enrolled before it and did not leave before it."""
    enrolled, refused = state.enrolled_before(number), state.refused(number)
    return frozenset(
        client
        for client in state.named(number)
        if client not in refused and client in enrolled and state.left.get(client, number) >= number
    )


def cohort_of(state: TaskState, spec: TaskSpec, number: int, before: Allocation, beacon: Digest) -> dict[Address, int]:
    """Reputation by client. ``before``: the allocation that stands when the round opens, with those who enrolled since
    (:func:`protocol.task.past.allocation_before`). ``beacon``: hash of the block that draws it, zero in a task that
    draws none.

    Who came and went too often is left out, unless too few would be left: then no round would ever be opened again.
    """
    chosen, cohort = candidates(state, spec, number, before), spec.cohort
    if not cohort.draws:
        return chosen
    planned = drawn(chosen, cohort.max_cohort, beacon, state.task, number)
    return {client: reputation for client, reputation in chosen.items() if client in planned}


def candidates(state: TaskState, spec: TaskSpec, number: int, before: Allocation) -> dict[Address, int]:
    """Everybody eligible, before any draw: reputation by client."""
    allowed = rostered(state, spec, number)
    everybody = {
        entry.client: entry.reputation
        for entry in before.entitlements
        if entry.client in allowed and eligible(entry.reputation, spec.reputation)
    }
    settled = everybody.keys() - restless(state, spec.cohort, number)
    steady = {client: reputation for client, reputation in everybody.items() if client in settled}
    return steady if len(steady) >= spec.cohort.min_clients else everybody


def check_derived(state: TaskState, spec: TaskSpec, plan: RoundPlan) -> None:
    """The cohort of a round that was opened is the one that follows from the state. Raises VerificationError, and
    UnderivableError where a document is missing from which it follows."""
    if plan.round > len(state.rounds):
        raise UnderivableError(f"round {plan.round} is not opened on this chain")
    if spec.cohort.draws:
        there(standing_before(state, plan.round))
        if not is_told(state, spec.cohort, plan.round):
            raise UnderivableError("a record or plan is missing from which it follows who is left out")
    check_rostered(state, spec, plan)


def check_rostered(state: TaskState, spec: TaskSpec, plan: RoundPlan) -> None:
    """What can be said of everybody in the plan of a round that was opened. Raises VerificationError.

    Where cohorts are drawn the draw is derived, once what it follows from is read: nobody is planned by choice.
    """
    allowed, planned = rostered(state, spec, plan.round), {entry.client for entry in plan.weights}
    for client in sorted(planned - allowed):
        raise VerificationError(f"{to_hex(client)} is planned, and not in the rosters", fault=Party.EDGE_SERVER)
    if not spec.cohort.draws:
        return
    before = standing_before(state, plan.round)
    if isinstance(before, Absent) or not is_told(state, spec.cohort, plan.round):
        return
    cohort = cohort_of(state, spec, plan.round, before, state.rounds[plan.round - 1].opened.beacon)
    if planned != cohort.keys():
        raise VerificationError("the cohort is not the one that was drawn", fault=Party.EDGE_SERVER)


def standing_before(state: TaskState, number: int) -> Allocation | Absent:
    """By which the plan went, also when a dispute has frozen its round since."""
    settled = settled_at_opening(state, number)
    if settled and settled[0].frozen is not None:
        return Absent(settled[0].frozen.transaction, Lack.MISSING, settled[0].server)
    return allocation_before(state, number)
