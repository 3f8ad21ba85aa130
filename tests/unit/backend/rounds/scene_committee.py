"""Key authorities that answer as they should, or as a test wants them to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from backend.rounds.committee_client import Word
from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.identifiers import Address, sha256
from protocol.messages.keys import (
    KeyRequest,
    PartialKeyAnswer,
    PlannedKeyRequest,
    SignedSighting,
    SignedWindowKey,
    WindowKeyStatement,
)
from protocol.messages.round import CohortEvidence, RoundPlan, SignedEndorsement
from protocol.messages.task import Committee
from protocol.randomness import SeededRandomness
from protocol.round.endorsing import endorsement_of
from protocol.round.key_request import answer_request
from protocol.round.scheme import RoundScheme
from protocol.round.sightings import sighting
from storage.ledger.signer import Signer
from tests.ports.reference_chain import DOMAIN
from tests.samples import private_key

CLIENTS = sorted((Signer(private_key("client", number)) for number in range(3)), key=lambda signer: signer.address)
LATE = Signer(private_key("client", 3))  # enrols while rounds run


def authority(j: int) -> Signer:
    return Signer(private_key("authority", j))


@cache
def keys_of(client: Address, m: int) -> dict[tuple[int, ...], bytes]:
    """For a 2-of-m committee."""
    return draw_master_keys(SeededRandomness(client), m, 2, "keys")


def window_key(authority: Signer, task: int, window: int) -> SignedWindowKey:
    key = bytes([window]) * 1216
    statement = WindowKeyStatement(task, window, authority.address, sha256(key))
    return SignedWindowKey(statement, key, authority.sign(DOMAIN, statement))


@dataclass
class PlayedCommittee:
    """Answers as the key authorities would; ``answering`` are those that are up."""

    domain: Any
    m: int = 3
    answering: set[int] = field(default_factory=lambda: {1, 2, 3})
    lying: set[int] = field(default_factory=set)
    refusing: dict[int, set[Address]] = field(default_factory=dict)
    away: bool = False  # nobody is shown an envelope
    asked: int = 0  # how often for sightings

    def show_task(self, *_: object) -> set[Address]:
        return {authority(j).address for j in range(1, self.m + 1)}

    def window_keys(self, task: int, committee: Committee, window: int) -> list[SignedWindowKey]:
        return [window_key(authority(j), task, window) for j in sorted(self.answering) if j <= self.m]

    def show_envelopes(self, _: int, __: Committee, missing: Any) -> dict[Address, Word]:
        missing = {} if self.away else missing
        refused = {authority(j).address: clients for j, clients in self.refusing.items()}
        return {
            authority: Word(set(clients) - refused.get(authority, set()), set(clients) & refused.get(authority, set()))
            for authority, clients in missing.items()
        }

    def endorsements(self, _: Committee, plan: RoundPlan, __: CohortEvidence) -> dict[Address, SignedEndorsement]:
        return {authority(j).address: self._endorsement(j, plan) for j in sorted(self.answering)}

    def _endorsement(self, j: int, plan: RoundPlan) -> SignedEndorsement:
        signer = authority(j)
        said = endorsement_of(plan.task, plan.round, plan.label(), signer.address)
        return SignedEndorsement(said, signer.sign(self.domain, said))

    def sightings(self, _: Committee, plan: RoundPlan, request: KeyRequest) -> dict[Address, SignedSighting]:
        self.asked += 1
        return {authority(j).address: self._sighting(j, plan, request) for j in sorted(self.answering)}

    def _sighting(self, j: int, plan: RoundPlan, request: KeyRequest) -> SignedSighting:
        signer = authority(j)
        said = sighting(plan.task, plan.round, request.kind, request.label, request.digest(), signer.address)
        return SignedSighting(said, signer.sign(self.domain, said))

    def partial_keys(self, committee: Committee, shown: PlannedKeyRequest) -> dict[Address, PartialKeyAnswer]:
        return {authority(j).address: self._answer(j, committee, shown) for j in sorted(self.answering)}

    def _answer(self, j: int, committee: Committee, shown: PlannedKeyRequest) -> PartialKeyAnswer:
        plan, signer = shown.plan, authority(j)
        entries = [(authority_share(keys_of(e.client, self.m), j), e.nonce, e.weight) for e in shown.request.entries]
        residues = RoundScheme.of(plan, committee).partial_key(j, entries)
        if j in self.lying:
            residues = bytes([residues[0] ^ 1]) + residues[1:]
        return answer_request(plan, shown.request, signer.address, residues, signer.sign)
