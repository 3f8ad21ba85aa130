"""From committed ciphertexts to a verified sum, in three steps: verification, decision, folding.

The unverified cannot be spelled as the verified: only :func:`verify` makes verified ciphertexts, and only :func:`fold`,
out of those, verified sums. What stands between the steps is their caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, Label, to_hex
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.round.scheme import RoundScheme
from protocol.screening.verdict import Unfit, decide, judged_by_size
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentStore,
    ContentTooLargeError,
    StoreUnavailableError,
    get_document,
)

_ATTEMPTS: Final = 4  # a ciphertext may take a moment to become visible
_PAUSE_SECONDS: Final = 0.25
_KEY: Final = object()

Sleep = Callable[[float], None]


class NotVerifiedError(HearthError):
    """A ciphertext that did not come through :func:`verify`, or a sum that did not come through :func:`fold`."""

    code = "E_NOT_VERIFIED"


@dataclass(frozen=True, slots=True)
class VerifiedCiphertext:
    """A body of the plan's size whose digest ``client`` has committed to under ``label``."""

    client: Address
    label: Label
    body: bytes
    key: InitVar[object] = None  # not kept: not even a copy with another field can be made outside

    def __post_init__(self, key: object) -> None:
        if key is not _KEY:
            raise NotVerifiedError("only the verifier makes verified ciphertexts")


@dataclass(frozen=True, slots=True)
class VerifiedSum:
    """The sum of ``clients``' verified ciphertexts under the plan's weights."""

    clients: frozenset[Address]
    words: npt.NDArray[np.uint64]
    key: InitVar[object] = None

    def __post_init__(self, key: object) -> None:
        if key is not _KEY:
            raise NotVerifiedError("only the verifier makes verified sums")


def verify(
    store: ContentStore, scheme: RoundScheme, signed: SignedCommitment, sleep: Sleep
) -> VerifiedCiphertext | Unfit:
    """Fetches one committed ciphertext; its signature was checked when the commitment was taken.

    Raises StoreUnavailableError when the store as a whole cannot be asked, since that is no client's doing.
    """
    commitment = signed.commitment
    body = _fetch(store, signed, scheme.max_fetched_bytes, scheme.block_bytes, sleep)
    if isinstance(body, Unfit):
        return body
    unfit = judged_by_size(len(body), scheme.body_bytes)
    return unfit or VerifiedCiphertext(commitment.client, commitment.label, body, _KEY)


def fold(scheme: RoundScheme, ciphertexts: Iterable[VerifiedCiphertext]) -> VerifiedSum:
    """Adds each as it comes: memory is that of one ciphertext and one sum, however many there are.

    Raises VerificationError for a client that is not planned or comes twice, and for the ciphertext of another round.
    """
    running, clients = scheme.aggregator(), set[Address]()
    weights = {entry.client: entry.weight for entry in scheme.plan.weights}
    for ciphertext in ciphertexts:
        client = ciphertext.client
        if client in clients or client not in weights or ciphertext.label != scheme.label:
            raise VerificationError(f"{to_hex(client)} has no ciphertext to add to this sum", fault=Party.EDGE_SERVER)
        running.fold(ciphertext.body, weights[client])
        clients.add(client)
        del ciphertext  # before the next one is fetched
    return VerifiedSum(frozenset(clients), running.words, _KEY)


def verify_updates(
    store: ContentStore,
    scheme: RoundScheme,
    committed: Mapping[Address, SignedCommitment],
    sleep: Sleep,
    decided: Verdict | None = None,
) -> tuple[Verdict, VerifiedSum]:
    """The three steps of a task without screening: who is accepted follows from each ciphertext alone.

    So each is fetched once, and added when it is verified. After ``decided`` only what that accepts is fetched and
    added. Raises like :func:`verify` and :func:`fold`.
    """
    kept = committed.keys() if decided is None else frozenset(decided.accepted)
    findings: dict[Address, Unfit | None] = {}

    def fit() -> Iterator[VerifiedCiphertext]:
        for client, signed in committed.items():
            if client not in kept:
                continue
            found = verify(store, scheme, signed, sleep)
            findings[client] = found if isinstance(found, Unfit) else None
            if isinstance(found, VerifiedCiphertext):
                yield found
            del found

    total = fold(scheme, fit())
    return decided or decide(scheme.label, findings), total


def _fetch(
    store: ContentStore, signed: SignedCommitment, max_bytes: int, chunk_bytes: int, sleep: Sleep
) -> bytes | Unfit:
    """What a store says is believed after _ATTEMPTS: a client pays for a wrong word of it with its share."""
    unfit = Unfit.UNAVAILABLE
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return get_document(store, signed.commitment.ciphertext, max_bytes, chunk_bytes)
        except (ContentCorruptError, ContentTooLargeError):
            unfit = Unfit.CORRUPT
        except ContentMissingError:
            unfit = Unfit.UNAVAILABLE
        except StoreUnavailableError:
            if attempt == _ATTEMPTS:
                raise
        if attempt < _ATTEMPTS:
            sleep(_PAUSE_SECONDS)
    return unfit
