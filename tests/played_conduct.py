"""What is special about one round of a played task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from protocol.domain import Domain
from protocol.identifiers import ZERO_DIGEST, sha256
from protocol.messages.round import RoundPlan, RoundStatement, SignedRoundStatement
from protocol.messages.settlement import PUBLISHED
from protocol.signing import address_of, sign
from storage.ledger import proofs

EXPIRED = "expired"
OPEN, SETTLED, SUCCEEDED = "open", "settled", "succeeded"


@dataclass(frozen=True)
class Conduct:
    """What is special about one round, clients by number; otherwise everyone delivers and the round is published.

    ``lies`` maps the name of something the edge server says to what it says instead.
    """

    joining: tuple[int, ...] = ()  # enrol before the round opens
    leaving: tuple[int, ...] = ()  # before the round opens
    direct: tuple[int, ...] = ()  # commit by themselves, not in the batch
    twice: tuple[int, ...] = ()  # commit by themselves although they are in the batch
    silent: tuple[int, ...] = ()
    unavailable: tuple[int, ...] = ()
    corrupt: tuple[int, ...] = ()
    malformed: tuple[int, ...] = ()
    garbled: tuple[int, ...] = ()  # encrypt under other keys than they enrolled: the sum comes to garbage
    batched: bool = True
    requested: bool = True  # a key, before the round expires
    end: str = PUBLISHED
    lying: tuple[int, ...] = ()  # key authorities, in openings and keys; then all of them answer
    unopened: bool = False  # authorities do not answer the request for openings; the key is requested late
    frozen: str = ""  # the server that opened it signs two plans: proven while OPEN, once SETTLED by it, or once it is
    # SUCCEEDED by a round of the next server, which took over in its settle phase
    lies: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)


def two_plans(domain: Domain, plan: RoundPlan, server_key: bytes) -> bytes:
    """The proof that a server signed another plan for its round."""
    one = RoundStatement(plan.task, plan.round, plan.label(), ZERO_DIGEST)
    other = replace(one, label=sha256(b"another plan"))
    signed = [SignedRoundStatement(said, sign(domain, said, server_key)) for said in (one, other)]
    return proofs.two_statements(address_of(server_key), *signed)
