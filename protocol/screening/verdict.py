"""The accepted set of a round as a pure function of what was found of its committed ciphertexts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from protocol.identifiers import Address, Label
from protocol.messages.settlement import CORRUPT, MALFORMED, UNAVAILABLE, Rejection, Verdict


class Unfit(Enum):
    """Why a ciphertext cannot be added. Only its size can be shown or refuted later."""

    UNAVAILABLE = UNAVAILABLE  # not in the content store
    CORRUPT = CORRUPT  # there, with other bytes than those of its digest
    MALFORMED = MALFORMED  # of another size than the plan's ciphertexts


def judged_by_size(size: int, body_bytes: int) -> Unfit | None:
    """What the size of bytes says that match their digest, where ciphertexts have ``body_bytes``."""
    return None if size == body_bytes else Unfit.MALFORMED


def decide(label: Label, findings: Mapping[Address, Unfit | None]) -> Verdict:
    """Accepts every client whose ciphertext can be added. ``findings``: one for each committed client."""
    accepted, rejected = [], []
    for client, unfit in sorted(findings.items(), key=lambda finding: finding[0]):
        if unfit is None:
            accepted.append(client)
        else:
            rejected.append(Rejection(client, unfit.value))
    return Verdict(label, tuple(accepted), tuple(rejected))
