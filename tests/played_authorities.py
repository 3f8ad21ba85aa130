"""The key authorities of a played task, and what their keys open."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.encryption.agreement import liars
from protocol.encryption.committee import authority_share, ratchet
from protocol.encryption.port import DecryptedSum
from protocol.errors import EncryptionError
from protocol.identifiers import Address
from protocol.messages.chain import Enrolled
from protocol.messages.keys import KeyRequest, Sightings, SignedPartialKey, SignedSighting
from protocol.messages.rosters import runs_of
from protocol.messages.round import RoundPlan
from protocol.round.key_request import answer_request
from protocol.round.sightings import sighting
from protocol.screening.verdict import Unfit
from storage.ledger.signer import Signer
from tests.played_conduct import Conduct
from tests.tiny_task import authority_key

if TYPE_CHECKING:
    from tests.played_task import Player

ANSWERING = (1, 3)  # two of three authorities suffice


@dataclass(frozen=True)
class Opened:
    """Sightings, signed partial keys, signed lies, the functional key and what it opens; None for garbage."""

    sightings: Sightings
    keys: tuple[SignedPartialKey, ...]
    accused: tuple[SignedPartialKey, ...]
    key: bytes
    decrypted: DecryptedSum | None


def decrypt_sum(
    player: Player,
    plan: RoundPlan,
    request: KeyRequest,
    bodies: Mapping[Address, bytes | Unfit],
    conduct: Conduct,
) -> Opened:
    """Everybody sees the request; lying authorities answer it with something else. Before garbage is cried all are
    asked."""
    committee, lying = player.spec.committee, conduct.lying
    scheme = player.scheme(plan)
    keys = {household.address: ratchet(household.master_keys, plan.key_epoch) for household in player.households}
    partials, signed = {}, {}
    for j in range(1, scheme.m + 1) if lying or conduct.garbled else ANSWERING:
        entries = [(authority_share(keys[e.client], j), e.nonce, e.weight) for e in request.entries]
        partials[j] = scheme.partial_key(j, entries)
        if j in lying:
            partials[j] = bytes([partials[j][0] ^ 1]) + partials[j][1:]
        player.put(partials[j])
        signer, authority = Signer(authority_key(j)), committee.members[j - 1]
        signed[j] = answer_request(plan, request, authority, partials[j], signer.sign).signed

    everybody = [Signer(authority_key(j)) for j in range(1, scheme.m + 1)]
    sightings = tuple(_sighting(player, plan, request, signer) for signer in everybody)
    accused = liars(partials, scheme.t, scheme.combine)
    used = [j for j in partials if j not in lying]
    key = scheme.combine({j: partials[j] for j in used})
    aggregator = scheme.aggregator()
    for entry in request.entries:
        body = bodies[entry.client]
        assert isinstance(body, bytes)
        aggregator.fold(body, entry.weight)
    weights = [entry.weight for entry in request.entries]
    decrypted = None
    with suppress(EncryptionError):
        decrypted = scheme.decrypt(aggregator.words, key, weights)
    return Opened(sightings, tuple(signed[j] for j in used), tuple(signed[j] for j in accused), key, decrypted)


def _sighting(player: Player, plan: RoundPlan, request: KeyRequest, signer: Signer) -> SignedSighting:
    said = sighting(plan.task, plan.round, request.kind, request.label, request.digest(), signer.address)
    return SignedSighting(said, signer.sign(player.domain, said))


def post_rosters(player: Player, number: int) -> None:
    """Before the first round of a window, by all authorities, who hold everybody's keys."""
    length = player.spec.cohort.roster_rounds
    if (number - 1) % length:
        return
    clients = [event.client for event in player.reader.events(player.task) if isinstance(event, Enrolled)]
    player.rostered = set(clients)
    for authority in player.authorities:
        held, refused = player.said("roster", (set(clients), set[Address]()))
        authority.post_roster(player.task, (number - 1) // length, runs_of(clients, held), runs_of(clients, refused))
