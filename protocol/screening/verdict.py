"""The accepted set of a round as a pure function of its commitments and the state of their ciphertexts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from protocol.identifiers import Address
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import CORRUPT, MALFORMED, UNAVAILABLE, Rejection, Verdict
from protocol.messages.submission import SignedCommitment


class Absent(Enum):
    """Why there are no bytes to look at; neither can be shown or refuted later."""

    UNAVAILABLE = UNAVAILABLE
    CORRUPT = CORRUPT


def decide(
    plan: RoundPlan,
    committed: Mapping[Address, SignedCommitment],
    sizes: Mapping[Address, int | Absent],
    body_bytes: int,
) -> Verdict:
    """Accept every planned client whose ciphertext is there, matches its digest and has ``body_bytes`` bytes.

    ``sizes``: of what the content store gave for each committed client, its digest already checked.
    """
    accepted, rejected = [], []
    for client in sorted(committed):
        size = sizes[client]
        if isinstance(size, Absent):
            rejected.append(Rejection(client, size.value))
        elif size != body_bytes:
            rejected.append(Rejection(client, MALFORMED))
        else:
            accepted.append(client)
    return Verdict(plan.label(), tuple(accepted), tuple(rejected))
