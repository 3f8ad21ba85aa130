"""The request for a round's openings: how it is made, and what follows from it and the round alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from protocol.errors import EncryptionError, Party
from protocol.identifiers import Address, Digest, Label
from protocol.messages.screening import GramEntry, GramRequest
from protocol.messages.submission import SignedCommitment


def gram_request(
    label: Label,
    beacon: Digest,
    committed: Mapping[Address, SignedCommitment],
    came: Sequence[Address],
    public: Sequence[Digest],
    histories: Sequence[Address],
) -> GramRequest:
    """Of the updates of all who ``came``, whatever their weights; ``histories``: all that may be opened."""
    entries = []
    for client in sorted(came):
        signed = committed[client]
        entries.append(GramEntry(client, signed.commitment.nonce, signed.commitment.ciphertext, signed.signature))
    return GramRequest(label, beacon, tuple(entries), tuple(public), tuple(sorted(histories)))


def check_gram_request(
    request: GramRequest, label: Label, beacon: Digest, public: Sequence[Digest], histories: Sequence[Address]
) -> None:
    """What an authority and an auditor hold against it beside the commitments' signatures.

    ``histories``: ascending, those that may be opened: with fewer, whoever asks would choose whose likeness is seen.
    Raises EncryptionError (fault: edge server) ``E_PARAMS``, ``E_DUP_CLIENT`` (also for entries out of order).
    """
    if request.label != label or request.beacon != beacon:
        raise _refusal("E_PARAMS", "the request is for another label or beacon")
    if request.public != tuple(public) or request.histories != tuple(histories):
        raise _refusal("E_PARAMS", "the request names other public vectors or histories than the round has")
    if any(later.client <= earlier.client for earlier, later in pairwise(request.entries)):
        raise _refusal("E_DUP_CLIENT", "the clients are not strictly ascending")


def _refusal(code: str, message: str) -> EncryptionError:
    return EncryptionError(message, code=code, fault=Party.EDGE_SERVER)
