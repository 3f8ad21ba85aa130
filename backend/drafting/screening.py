"""A drafted task as it would be screened."""

from __future__ import annotations

from dataclasses import replace

from backend.drafting.cohorts import cohort_of
from protocol.errors import SpecError
from protocol.messages.screening_terms import MAX_SCREENED
from protocol.messages.task import Committee, TaskSpec
from protocol.task.proposed_screening import screened
from protocol.task.runnable import check_runnable

MOST_MEMBERS = 8  # of a committee that opens inner products and needs more than two of so many for an update


def screened_draft(spec: TaskSpec, rule: str) -> TaskSpec:
    """With a committee that opens inner products, as large a round as can be compared, and terms of ``rule``.

    Raises SpecError for the line that stands against it.
    """
    places = spec.cohort.max_clients
    cohort = cohort_of(places, min(places, MAX_SCREENED))
    asked = replace(
        spec,
        committee=screening_committee(spec.committee),
        cohort=cohort,
        deposits=replace(spec.deposits, edge_server=cohort.max_cohort * spec.rewards.participation),
    )
    found = screened(asked, rule)
    check_runnable(found)
    return found


def screening_committee(committee: Committee) -> Committee:
    """Two of up to six members, three of seven or eight: as high a threshold as 2t + 1 members, who name a liar, allow.

    Raises SpecError for more, of whom any two could open an update.
    """
    members = len(committee.members)
    if members > MOST_MEMBERS:
        why = f"{members} members could open inner products only if any two of them could open an update"
        raise SpecError("committee.members", f"{why}; at most {MOST_MEMBERS}")
    return Committee(3 if members >= 7 else 2, committee.members, committee.corrupt)
