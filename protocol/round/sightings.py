"""One key for a round, although authorities may see different chains.

Each signs which request it sees under a label, once, and answers only a request that a quorum of them saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from protocol.domain import Domain
from protocol.identifiers import Address, Digest, Label, sha256
from protocol.messages.keys import SightingStatement, SignedSighting
from protocol.messages.task import Committee
from protocol.round.quorum import check_quorum_says


def sighting(
    task: int, round_number: int, kind: str, label: Label, digest: Digest, authority: Address
) -> SightingStatement:
    """That ``authority`` sees the request ``digest`` of this kind under ``label``."""
    return SightingStatement(task, round_number, sha256(kind.encode()), label, digest, authority)


def in_order(committee: Committee, found: Mapping[Address, SignedSighting]) -> tuple[SignedSighting, ...]:
    """By position in the committee."""
    return tuple(found[member] for member in committee.members if member in found)


def check_sightings(
    domain: Domain,
    committee: Committee,
    expected: Callable[[Address], SightingStatement],
    sightings: Sequence[SignedSighting],
) -> None:
    """``expected``: what an authority must say. Raises EncryptionError ``E_SIGHTINGS``."""
    check_quorum_says(domain, committee, expected, sightings, "E_SIGHTINGS")
