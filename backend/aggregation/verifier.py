"""Committed ciphertexts become verified updates here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.round.scheme import RoundScheme
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
    """A sum that did not come through :func:`verify_updates`."""

    code = "E_NOT_VERIFIED"


@dataclass(frozen=True, slots=True)
class VerifiedSum:
    """The weighted sum of bodies of the right length whose digests planned clients have signed under this label.

    Each was folded in when it was fetched: memory is that of one ciphertext and one sum, however many there are.
    """

    clients: frozenset[Address]
    words: npt.NDArray[np.uint64]
    key: object = None

    def __post_init__(self) -> None:
        if self.key is not _KEY:
            raise NotVerifiedError("only the verifier makes verified sums")


def verify_updates(
    store: ContentStore,
    scheme: RoundScheme,
    committed: Mapping[Address, SignedCommitment],
    sleep: Callable[[float], None],
    decided: Verdict | None = None,
) -> tuple[Verdict, VerifiedSum]:
    """Fetches every committed ciphertext; the verdict, and the sum of the accepted updates.

    After ``decided`` only what it accepts is added. The signatures of ``committed`` were checked when it was made.
    Raises StoreUnavailableError when the store as a whole cannot be asked, since that is no client's doing.
    """
    plan, expected, running = scheme.plan, scheme.body_bytes, scheme.aggregator()
    sizes: dict[Address, int | Absent] = {}
    added = set()
    for client, signed in committed.items():
        body = _fetch(store, signed, scheme.max_fetched_bytes, scheme.block_bytes, sleep)
        sizes[client] = len(body) if isinstance(body, bytes) else body
        weight = plan.weight_of(client)
        wanted = decided is None or client in decided.accepted
        if isinstance(body, bytes) and len(body) == expected and wanted and weight is not None:
            running.fold(body, weight)
            added.add(client)
    verdict = decided or decide(plan, committed, sizes, expected)
    return verdict, VerifiedSum(frozenset(added), running.words, _KEY)


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
