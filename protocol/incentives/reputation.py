"""Reputation of clients: section B of the papers (after Zhang and van der Schaar), as a pure function of verdicts."""

from __future__ import annotations

from protocol.identifiers import Address
from protocol.messages.settlement import MALFORMED, Verdict
from protocol.messages.task import ReputationTerms


def next_reputation(reputation: int, terms: ReputationTerms, *, good: bool, bad: bool) -> int:
    """Reputation after one round. Below the floor a round is served as waiting, whatever happened in it."""
    if reputation < terms.floor:
        return reputation + 1
    if good:
        return min(terms.maximum, reputation + 1)
    if bad:
        return 0 if reputation == terms.floor else reputation - 1
    return reputation


def after_round(standings: dict[Address, int], verdict: Verdict, terms: ReputationTerms) -> dict[Address, int]:
    """Everybody's reputation after a settled round.

    Only what an outsider can re-check counts as bad: a ciphertext of the wrong length. One that was absent or
    corrupt when the edge server looked leaves the reputation as it is, because nobody can show whose fault it was.
    """
    accepted = set(verdict.accepted)
    malformed = {entry.client for entry in verdict.rejected if entry.reason == MALFORMED}
    return {
        client: next_reputation(reputation, terms, good=client in accepted, bad=client in malformed)
        for client, reputation in standings.items()
    }


def eligible(reputation: int, terms: ReputationTerms) -> bool:
    return reputation >= terms.floor


def weight_of(reputation: int) -> int:
    """Aggregation weight y of a client: its reputation, so a long good record counts for more."""
    return reputation
