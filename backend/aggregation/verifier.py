"""From committed ciphertexts to a verified sum, in three steps: verification, decision, folding.

The unverified cannot be spelled as the verified: only :func:`verify` makes verified ciphertexts, and only :func:`fold`,
out of those, verified sums. What stands between the steps is their caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.aggregation.fetching import BodySize, Sleep, fetch_body
from backend.aggregation.group_sum import GroupSum
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, Label, to_hex
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.round.scheme import RoundScheme
from protocol.screening.verdict import Unfit, decide
from storage.content.interface import ContentStore

_KEY: Final = object()


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
    """The sum of ``clients``' verified ciphertexts under the plan's weights. ``by_workers``: in part their word."""

    clients: frozenset[Address]
    words: npt.NDArray[np.uint64]
    by_workers: bool = False
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
    body = fetch_body(store, commitment.ciphertext, BodySize.of(scheme), sleep)
    return body if isinstance(body, Unfit) else VerifiedCiphertext(commitment.client, commitment.label, body, _KEY)


def fold(scheme: RoundScheme, ciphertexts: Iterable[VerifiedCiphertext], begun: GroupSum | None = None) -> VerifiedSum:
    """Adds each as it comes: memory is that of one ciphertext and one sum, however many there are.

    ``begun``: what this server's own workers have verified and added of this round, which the sum goes on from.
    Raises VerificationError for a client that is not planned or comes twice, for the ciphertext of another round, and
    like ``Aggregator.merge`` for a sum of workers that is not of this round's form or weights.
    """
    running, clients = scheme.aggregator(), set[Address]()
    weights = scheme.weights
    if begun is not None:
        begun.check()
        clients |= set(begun.clients)
        planned = tuple(weights.get(client) for client in begun.clients)
        if len(clients) != len(begun.clients) or planned != begun.partial.weights:
            raise VerificationError("a sum of other clients or weights than those asked for")
        running.merge(begun.partial)
    for ciphertext in ciphertexts:
        client = ciphertext.client
        if client in clients or client not in weights or ciphertext.label != scheme.label:
            raise VerificationError(f"{to_hex(client)} has no ciphertext to add to this sum", fault=Party.EDGE_SERVER)
        running.fold(ciphertext.body, weights[client])
        clients.add(client)
        del ciphertext  # before the next one is fetched
    return VerifiedSum(frozenset(clients), running.words, begun is not None, _KEY)


def verify_updates(
    store: ContentStore,
    scheme: RoundScheme,
    committed: Mapping[Address, SignedCommitment],
    sleep: Sleep,
    decided: Verdict | None = None,
    begun: GroupSum | None = None,
) -> tuple[Verdict, VerifiedSum]:
    """The three steps of a task without screening: who is accepted follows from each ciphertext alone.

    So each is fetched once, and added when it is verified. After ``decided`` only what that accepts is fetched and
    added, and nothing that is in ``begun``. Raises like :func:`verify` and :func:`fold`.
    """
    kept = committed.keys() if decided is None else frozenset(decided.accepted)
    findings: dict[Address, Unfit | None] = dict.fromkeys(begun.clients if begun is not None else ())
    if not findings.keys() <= set(kept):
        raise VerificationError("a sum of others than those asked for")

    def fit() -> Iterator[VerifiedCiphertext]:
        for client, signed in committed.items():
            if client not in kept or client in findings:
                continue
            found = verify(store, scheme, signed, sleep)
            findings[client] = found if isinstance(found, Unfit) else None
            if isinstance(found, VerifiedCiphertext):
                yield found
            del found

    total = fold(scheme, fit(), begun)
    return decided or decide(scheme.label, findings), total
