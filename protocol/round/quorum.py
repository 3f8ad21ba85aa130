"""What a quorum of the key authorities must have signed, each of them the same of one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from protocol.domain import Domain
from protocol.errors import EncryptionError, HearthError, Party
from protocol.identifiers import Address, Signature, to_hex
from protocol.messages.keys import SightingStatement
from protocol.messages.round import EndorsementStatement
from protocol.messages.task import Committee
from protocol.signing import verify

T_co = TypeVar("T_co", SightingStatement, EndorsementStatement, covariant=True)
T = TypeVar("T", SightingStatement, EndorsementStatement)


class Signed(Protocol[T_co]):
    """A statement of one authority."""

    @property
    def statement(self) -> T_co: ...
    @property
    def signature(self) -> Signature: ...


def check_quorum_says(
    domain: Domain, committee: Committee, expected: Callable[[Address], T], signed: Sequence[Signed[T]], code: str
) -> None:
    """``expected``: what an authority must say. Raises EncryptionError with ``code``."""

    def refusal(message: str) -> EncryptionError:
        return EncryptionError(message, code=code, fault=Party.EDGE_SERVER)

    position = {member: j for j, member in enumerate(committee.members, start=1)}
    order = [position.get(one.statement.authority, 0) for one in signed]
    if 0 in order or order != sorted(set(order)):
        raise refusal("the statements are not ascending by committee member")
    for one in signed:
        authority = one.statement.authority
        if one.statement != expected(authority):
            raise refusal(f"{to_hex(authority)} says something else")
        try:
            verify(domain, one.statement, one.signature, authority, Party.KEY_AUTHORITY)
        except HearthError as error:
            raise refusal(f"{to_hex(authority)} did not sign what is shown as its word") from error
    if len(signed) < committee.quorum:
        raise refusal(f"{len(signed)} authorities say so where {committee.quorum} are needed")
