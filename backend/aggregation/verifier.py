"""Committed ciphertexts become verified updates here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from protocol.encryption.suite import suite
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.screening.verdict import Absent, decide
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentStore,
    ContentTooLargeError,
    StoreUnavailableError,
    get_document,
)

_LOOKS: Final = 4  # a ciphertext may take a moment to become visible
_PAUSE_SECONDS: Final = 0.25
_KEY: Final = object()


class NotVerifiedError(HearthError):
    """An update that did not come through :func:`verify_updates`."""

    code = "E_NOT_VERIFIED"


@dataclass(frozen=True, slots=True)
class VerifiedUpdate:
    """A body of the right length whose digest a planned client has signed under this label."""

    signed: SignedCommitment
    body: bytes
    key: object = None

    def __post_init__(self) -> None:
        if self.key is not _KEY:
            raise NotVerifiedError("only the verifier makes verified updates")


def verify_updates(
    store: ContentStore,
    plan: RoundPlan,
    committed: Mapping[Address, SignedCommitment],
    sleep: Callable[[float], None],
) -> tuple[Verdict, dict[Address, VerifiedUpdate]]:
    """Fetches every committed ciphertext; the verdict, and the accepted updates by client.

    The signatures of ``committed`` were checked when it was made. Raises StoreUnavailableError when the store
    as a whole cannot be asked, since that is no client's doing.
    """
    encoding = suite(plan.suite).encoding_for(plan.learning.bits, plan.learning.packing)
    expected = encoding.body_bytes(plan.dimension)
    bodies = {
        client: _fetch(store, signed, 16 * expected + 65_536, encoding.block_bytes, sleep)
        for client, signed in committed.items()
    }
    verdict = decide(plan, committed, bodies, expected)
    updates = {}
    for client in verdict.accepted:
        body = bodies[client]
        assert isinstance(body, bytes)
        updates[client] = VerifiedUpdate(committed[client], body, _KEY)
    return verdict, updates


def _fetch(
    store: ContentStore, signed: SignedCommitment, max_bytes: int, chunk_bytes: int, sleep: Callable[[float], None]
) -> bytes | Absent:
    for look in range(_LOOKS):
        try:
            return get_document(store, signed.commitment.ciphertext, max_bytes, chunk_bytes)
        except (ContentCorruptError, ContentTooLargeError):
            return Absent.CORRUPT
        except ContentMissingError:
            if look + 1 < _LOOKS:
                sleep(_PAUSE_SECONDS)
        except StoreUnavailableError:
            if look + 1 == _LOOKS:
                raise
            sleep(_PAUSE_SECONDS)
    return Absent.UNAVAILABLE
