"""Reputation of clients: the rule table of Zhao et al. (arXiv 1906.10893), after Zhang and van der Schaar.

A task sets maximum, floor and waiting period (:class:`ReputationTerms`); the rules are the same for all tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from protocol.identifiers import Address
from protocol.messages.screening import GRAM, HISTORY, NORM, RULE, ScreeningVerdict
from protocol.messages.settlement import MALFORMED, Verdict
from protocol.messages.task import ReputationTerms


class Mark(Enum):
    """What a round's verdict says of a client."""

    GOOD = auto()  # accepted
    BAD = auto()  # what an outsider can check for ever: a malformed ciphertext; what openings show, in a screened round
    NONE = auto()  # not planned, silent, unavailable or corrupt: nobody can show whose fault it was; rides free


class Level(Enum):
    """Where a reputation is relative to the task's floor."""

    WAITING = auto()  # below: not planned
    AT_FLOOR = auto()
    ABOVE = auto()


def _raised(reputation: int, terms: ReputationTerms) -> int:
    return min(terms.maximum, reputation + 1)


def _lowered(reputation: int, _: ReputationTerms) -> int:
    return reputation - 1


def _expelled(_: int, terms: ReputationTerms) -> int:
    return terms.floor - terms.waiting_rounds


def _kept(reputation: int, _: ReputationTerms) -> int:
    return reputation


OPENINGS: Final = frozenset({NORM, GRAM, HISTORY, RULE})  # reasons that the openings show to anybody

RULES: Final[dict[tuple[Level, Mark], Callable[[int, ReputationTerms], int]]] = {
    (Level.WAITING, Mark.GOOD): _raised,  # a round counts as waited, whatever happened in it
    (Level.WAITING, Mark.BAD): _raised,
    (Level.WAITING, Mark.NONE): _raised,
    (Level.AT_FLOOR, Mark.GOOD): _raised,
    (Level.AT_FLOOR, Mark.BAD): _expelled,
    (Level.AT_FLOOR, Mark.NONE): _kept,
    (Level.ABOVE, Mark.GOOD): _raised,
    (Level.ABOVE, Mark.BAD): _lowered,
    (Level.ABOVE, Mark.NONE): _kept,
}


def next_reputation(reputation: int, terms: ReputationTerms, mark: Mark) -> int:
    """Reputation after one settled round; one that was settled elsewhere is cut to this task's maximum."""
    counted = min(reputation, terms.maximum)
    return RULES[_level(counted, terms), mark](counted, terms)


def after_round(
    reputations: dict[Address, int],
    verdict: Verdict,
    terms: ReputationTerms,
    screened: ScreeningVerdict | None = None,
) -> dict[Address, int]:
    """Everybody's reputation after a settled round. ``screened``: what its openings say, where it was screened."""
    marks = marks_of(verdict, screened)
    return {
        client: next_reputation(reputation, terms, marks.get(client, Mark.NONE))
        for client, reputation in reputations.items()
    }


def marks_of(verdict: Verdict, screened: ScreeningVerdict | None) -> dict[Address, Mark]:
    """Of all who get one. Who is accepted and rides free has none: it harmed nobody, and gave nothing."""
    idle, shown_by = (screened.idle, OPENINGS | {MALFORMED}) if screened else ((), {MALFORMED})
    marks = dict.fromkeys((client for client in verdict.accepted if client not in idle), Mark.GOOD)
    return marks | {entry.client: Mark.BAD for entry in verdict.rejected if entry.reason in shown_by}


def reachable(reputation: int, terms: ReputationTerms, rounds: int) -> frozenset[int]:
    """Every reputation that so many settled rounds can have made of this one, whatever their verdicts say."""
    found = frozenset({reputation})
    for _ in range(rounds):
        found = frozenset(next_reputation(one, terms, mark) for one in found for mark in Mark)
    return found


def eligible(reputation: int, terms: ReputationTerms) -> bool:
    return reputation >= terms.floor


def weight_of(reputation: int, terms: ReputationTerms) -> int:
    """Aggregation weight y of a client, and its share of the contribution: its reputation, up to the maximum."""
    return min(reputation, terms.maximum)


def _level(reputation: int, terms: ReputationTerms) -> Level:
    if reputation < terms.floor:
        return Level.WAITING
    return Level.AT_FLOOR if reputation == terms.floor else Level.ABOVE
