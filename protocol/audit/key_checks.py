"""Checks 15 and 25: what the key authorities signed for a round, and whom the edge server accuses of lying there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from protocol.audit.case import Case
from protocol.audit.report import require, same
from protocol.encryption.agreement import liars
from protocol.errors import EncryptionError, MalformedError, Party
from protocol.messages.keys import SUM, SignedPartialKey
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import GARBAGE, RoundRecord
from protocol.messages.task import Committee
from protocol.round.scheme import RoundScheme
from protocol.round.sightings import check_sightings, sighting
from protocol.signing import verify


@dataclass(frozen=True)
class KeyAudit:
    """One published round. ``key_bytes``: exact size of a partial key."""

    case: Case
    committee: Committee
    plan: RoundPlan
    record: RoundRecord
    key_bytes: int

    def partial_keys(self) -> dict[int, bytes]:
        """By position in the committee, those that the functional key was made of; a quorum saw the request."""
        plan, record = self.plan, self.record
        seen = partial(sighting, plan.task, plan.round, SUM, plan.label(), record.request)
        check_sightings(self.case.evidence.domain, self.committee, seen, record.sightings)
        partials = self._signed(self.record.keys)
        require(len(partials) >= self.committee.threshold, "fewer keys than the threshold")
        enough = len(partials) >= self.committee.beyond_doubt
        require(enough or self.record.outcome != GARBAGE, "garbage by so few keys that they may be to blame for it")
        return partials

    def check_accusation(
        self, partials: Mapping[int, bytes], combine: Callable[[Mapping[int, bytes]], bytes]
    ) -> list[str]:
        """Derives it again from all answers on record; remarks name the accused. ``partials``: the other answers."""
        accused = self._signed(self.record.accused)
        require(not accused.keys() & partials.keys(), "an authority is believed and accused")
        derived = liars({**partials, **accused}, self.committee.threshold, combine)
        same("accused", tuple(accused), derived)
        return [f"authority {j} lied" for j in derived]

    def _signed(self, keys: Sequence[SignedPartialKey]) -> dict[int, bytes]:
        position = {member: j for j, member in enumerate(self.committee.members, start=1)}
        order = [position.get(signed.statement.authority, 0) for signed in keys]
        require(0 not in order and order == sorted(set(order)), "keys not ascending by committee member")
        partials, plan = {}, self.plan
        for j, signed in zip(order, keys, strict=True):
            statement = signed.statement
            where = (statement.task, statement.round, statement.label, statement.request, statement.key_epoch)
            same("statement", where, (plan.task, plan.round, plan.label(), self.record.request, plan.key_epoch))
            verify(self.case.evidence.domain, statement, signed.signature, statement.authority, Party.EDGE_SERVER)
            partials[j] = self.case.content(statement.residues, self.key_bytes, "partial key")
        return partials


def opening_set(
    scheme: RoundScheme, words: npt.NDArray[np.uint64], weights: Sequence[int], partials: Mapping[int, bytes]
) -> tuple[int, ...] | None:
    """The first authorities, as few as suffice, whose keys decrypt the sum; None for garbage."""
    tried = set[bytes]()
    for members in combinations(sorted(partials), scheme.t):
        try:
            key = scheme.combine({j: partials[j] for j in members})
            if key not in tried:
                tried.add(key)
                scheme.decrypt(words, key, weights)
                return members
        except (EncryptionError, MalformedError):
            continue
    return None
