"""Authorities that the owner's policy does not list count as the manufacturer's: no more than a task calls corrupt."""

from __future__ import annotations

from dataclasses import replace

from protocol.messages.task import Committee
from protocol.task.owner_limits import check_task
from tests.samples import DOMAIN
from tests.unit.client_agent.test_policy import LISTED, MEMBERS, POLICY, WITHIN, WORK, refused_by


def test_more_of_the_manufacturers_authorities_than_the_task_allows_for_are_refused() -> None:
    """They could sign two sightings for one round, and two keys with them."""
    careless = replace(WITHIN, committee=replace(WITHIN.committee, corrupt=0))
    refused_by("trust.authorities", "1", "at most 0", lambda: check_task(POLICY, careless, DOMAIN, WORK))
    all_known = replace(POLICY, trust=replace(LISTED, authorities=MEMBERS))
    check_task(all_known, careless, DOMAIN, WORK)


def test_an_authority_that_is_in_the_committee_twice_is_independent_once() -> None:
    """Its operator alone would hold two shares."""
    twice = replace(WITHIN, committee=Committee(2, (MEMBERS[0], MEMBERS[0], MEMBERS[1]), 1))
    check_task(POLICY, replace(WITHIN, committee=Committee(2, MEMBERS, 1)), DOMAIN, WORK)
    refused_by("trust.authorities", "2", "at most 1", lambda: check_task(
        replace(POLICY, trust=replace(LISTED, authorities=MEMBERS[:1])), twice, DOMAIN, WORK
    ))  # fmt: skip
