"""One task as chain and content tell it: immutable, made by :mod:`protocol.task.fold`, the same for every party."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from protocol.identifiers import Address
from protocol.messages.chain import (
    Enrolled,
)
from protocol.messages.rosters import RosterPosted, held_by, refused_by
from protocol.round.windows import window_of
from protocol.task.round_facts import RoundFacts
from protocol.task.told import Told


@dataclass(frozen=True, slots=True)
class TaskState(Told):
    """Where the task stands, by what is told of it."""

    @property
    def enrol_until(self) -> int:
        """Nobody is waited for any more after this instant; enrolment itself stays open while the task runs."""
        if self.posted is None:
            return 0
        return self.posted.enrol_until if self.full is None else self.full.enrol_until

    @property
    def total_rounds(self) -> int:
        return 0 if self.posted is None else self.posted.terms.rounds - self.lapsed

    @property
    def stopped(self) -> bool:
        """Too few servers or authorities have their role still: no round opens any more."""
        if self.posted is None:
            return False
        terms = self.posted.terms
        authorities = [member for member in terms.authorities if member not in self.dismissed]
        return len(authorities) < terms.threshold or self.dismissed.issuperset(terms.edge_servers)

    def signer_of(self, client: Address) -> Address:
        """The key that signs for ``client``, as it named it when it enrolled; its own one for anybody else."""
        enrolled = self.enrolled.get(client)
        return client if enrolled is None else enrolled.signer

    def named(self, number: int) -> tuple[Address, ...]:
        """Whose keys a threshold of authorities hold for round ``number``, in order of enrolment, with those who left.

        Rosters are closed before a round is opened: so whoever comes or goes at that moment changes nothing here.
        """
        enrolled, held = self._in_order(), Counter[Address]()
        for roster in self._rosters(number):
            held.update(held_by(roster, enrolled))
        least = self.posted.terms.threshold if self.posted else 0
        return tuple(event.client for event in enrolled if held[event.client] >= least)

    def refused(self, number: int) -> frozenset[Address]:
        """Whose envelope some authority refuses in its roster for round ``number``."""
        enrolled = self._in_order()
        return frozenset[Address]().union(*(refused_by(roster, enrolled) for roster in self._rosters(number)))

    def enrolled_before(self, number: int) -> dict[Address, Enrolled]:
        """Who enrolled before round ``number`` was opened, by client, in that order; those who left included.

        For a round that is not opened yet everybody.
        """
        self._require_everybody()
        facts = self.round(number)
        place = None if facts is None else (facts.opened.block, facts.opened.log_index)
        return {
            client: event
            for client, event in self.enrolled.items()
            if place is None or (event.block, event.log_index) < place
        }

    @property
    def lacks_clients(self) -> bool:
        """Fewer have enrolled than a round needs, as far as is known."""
        if self.posted is None:
            return False
        least = self.posted.terms.min_clients
        if self.only is None:
            return len(self.enrolled) < least
        return self.counted is not None and self.counted < least and not self.rounds

    def _rosters(self, number: int) -> tuple[RosterPosted, ...]:
        """For the window of round ``number``."""
        window = window_of(number, self.posted.terms.roster_rounds) if self.posted else 0
        return tuple(self.rosters.get(window, {}).values())

    def _in_order(self) -> tuple[Enrolled, ...]:
        """Of their enrolment, which is what rosters count by."""
        self._require_everybody()
        return tuple(self.enrolled.values())

    @property
    def current(self) -> RoundFacts | None:
        """The round that runs."""
        return self.rounds[-1] if self.rounds and self.rounds[-1].running else None

    def round(self, number: int) -> RoundFacts | None:
        return self.rounds[number - 1] if 0 < number <= len(self.rounds) else None

    def last_settled(self) -> RoundFacts | None:
        """The last round whose allocation stands."""
        return next((facts for facts in reversed(self.rounds) if facts.settled), None)

    def payable_from(self) -> int | None:
        """When the last allocation can be claimed, and another round settled; 0 when nothing has to be waited for.

        None while the time of its block is not known.
        """
        facts = self.last_settled()
        if facts is None or facts.settled is None or self.posted is None or not self.posted.terms.dispute_seconds:
            return 0
        time = self.times.get(facts.settled.block)
        return None if time is None else time + self.posted.terms.dispute_seconds
