"""What is special about one round of a played task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from protocol.domain import Domain
from protocol.identifiers import sha256
from protocol.messages.keys import PartialKeyStatement, SignedPartialKey
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import PUBLISHED
from protocol.signing import address_of, sign
from storage.ledger import proofs
from tests.tiny_task import authority_key

EXPIRED = "expired"
OPEN, SETTLED, SUCCEEDED = "open", "settled", "succeeded"


@dataclass(frozen=True)
class Conduct:
    """What is special about one round, clients by number; otherwise everyone delivers and the round is published.

    ``lies`` maps the name of something the edge server says to what it says instead.
    """

    leaving: tuple[int, ...] = ()  # before the round opens
    direct: tuple[int, ...] = ()  # commit by themselves, not in the batch
    twice: tuple[int, ...] = ()  # commit by themselves although they are in the batch
    silent: tuple[int, ...] = ()
    unavailable: tuple[int, ...] = ()
    corrupt: tuple[int, ...] = ()
    malformed: tuple[int, ...] = ()
    batched: bool = True
    requested: bool = True  # a key, before the round is abandoned or expires
    end: str = PUBLISHED
    lying: tuple[int, ...] = ()  # key authorities; then all of them answer
    frozen: str = ""  # an authority signs two keys: proven in the OPEN round, once SETTLED, once the next one is open
    lies: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)


def two_keys(domain: Domain, plan: RoundPlan) -> bytes:
    """The proof that an authority signed keys for two requests under one label."""
    key = authority_key(1 + plan.round % 3)
    one = PartialKeyStatement(
        plan.task, plan.round, plan.label(), sha256(b"one"), address_of(key), plan.key_epoch, sha256(b"")
    )
    other = replace(one, request=sha256(b"other"))
    return proofs.two_keys(*(SignedPartialKey(said, sign(domain, said, key)) for said in (one, other)))
