"""One key for a round, although authorities may see different chains.

Each signs which request it sees under a label, once, and answers only a request that a quorum of them saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from protocol.domain import Domain
from protocol.errors import EncryptionError, HearthError, Party
from protocol.identifiers import Address, Digest, Label, sha256, to_hex
from protocol.messages.keys import SightingStatement, SignedSighting
from protocol.messages.task import Committee
from protocol.signing import verify


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
    position = {member: j for j, member in enumerate(committee.members, start=1)}
    order = [position.get(signed.statement.authority, 0) for signed in sightings]
    if 0 in order or order != sorted(set(order)):
        raise _refusal("the sightings are not ascending by committee member")
    for signed in sightings:
        authority = signed.statement.authority
        if signed.statement != expected(authority):
            raise _refusal(f"{to_hex(authority)} saw another request")
        try:
            verify(domain, signed.statement, signed.signature, authority, Party.KEY_AUTHORITY)
        except HearthError as error:
            raise _refusal(f"{to_hex(authority)} did not sign its sighting") from error
    if len(sightings) < committee.quorum:
        raise _refusal(f"{len(sightings)} authorities saw this request where {committee.quorum} are needed")


def _refusal(message: str) -> EncryptionError:
    return EncryptionError(message, code="E_SIGHTINGS", fault=Party.EDGE_SERVER)
