"""The request for a round's functional key: how it is made, and what every key authority holds against it.

The checks are in the order of ``encryption.md`` 3.8 and pure: whether the digest is on chain, the label unused and the
round alive is asked between the two halves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.encryption.weights import MAX_WEIGHT
from protocol.errors import EncryptionError, HearthError, Party
from protocol.identifiers import ZERO_DIGEST, Address, Digest, Signature, to_hex
from protocol.messages.keys import (
    SUM,
    KeyRequest,
    KeyRequestEntry,
    PartialKeyAnswer,
    PartialKeyStatement,
    SignedPartialKey,
)
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GramEntry
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.round.commitments import SignerOf, domain_of
from protocol.round.scheme import encoding_of
from protocol.signing import verify

PPM = 1_000_000
_KINDS: Final = (SUM,)


def kinds_of(plan: RoundPlan) -> tuple[str, ...]:
    """Every kind of opening that the round of ``plan`` allows, each once; with the last of them its keys are erased."""
    return _KINDS


def key_request(
    plan: RoundPlan,
    committed: Mapping[Address, SignedCommitment],
    accepted: Sequence[Address],
    screening: Digest = ZERO_DIGEST,
) -> KeyRequest:
    """The request for the sum of exactly the accepted set, with the plan's weights. ``screening``: digest of the
    evidence that the set follows from; zero where nothing was opened."""
    weights = {entry.client: entry.weight for entry in plan.weights}
    entries = []
    for client in sorted(accepted):
        signed = committed[client]
        entries.append(
            KeyRequestEntry(
                client, signed.commitment.nonce, signed.commitment.ciphertext, weights[client], signed.signature
            )
        )
    return KeyRequest(plan.label(), SUM, tuple(entries), screening)


def answer_request(
    plan: RoundPlan,
    request: KeyRequest,
    authority: Address,
    residues: bytes,
    sign: Callable[[Domain, PartialKeyStatement], Signature],
) -> PartialKeyAnswer:
    """What an authority whose share of the key is ``residues`` answers, signed."""
    digest = cid_of(residues).digest
    statement = PartialKeyStatement(
        plan.task, plan.round, plan.label(), request.digest(), authority, plan.key_epoch, digest
    )
    return PartialKeyAnswer(SignedPartialKey(statement, sign(domain_of(plan), statement)), residues)


def check_parameters(plan: RoundPlan, request: KeyRequest, held_epoch: int) -> None:
    """Suite, encoding, dimension and label (``E_PARAMS``), kind (``E_KIND``), then the epoch of the keys (``E_EPOCH``).

    ``held_epoch``: the earliest whose keys are not erased yet.
    """
    try:
        encoding_of(plan)
    except EncryptionError as error:
        raise _refusal("E_PARAMS", error.args[0]) from error
    if plan.dimension < 1:
        raise _refusal("E_PARAMS", "the plan has no coordinates")
    if request.label != plan.label():
        raise _refusal("E_PARAMS", "the request is for another label than the plan's")
    if request.kind not in kinds_of(plan):
        raise _refusal("E_KIND", f"the round allows no request of kind {request.kind!r}")
    if plan.key_epoch != plan.round or plan.key_epoch < held_epoch:
        raise _refusal("E_EPOCH", f"key epoch {plan.key_epoch} in round {plan.round} where {held_epoch} is held")


def check_request(plan: RoundPlan, request: KeyRequest, signer_of: SignerOf) -> None:
    """Everything about the accepted set that follows from plan, request and the enrolments' signers alone.

    Raises EncryptionError, in this order: ``E_DUP_CLIENT`` (also for entries out of order), ``E_UNKNOWN_CLIENT``,
    ``E_BAD_SIG``, ``E_WEIGHT``, ``E_MIN_PARTICIPANTS``, ``E_CONCENTRATION``, ``E_BUDGET``.
    """
    clients = [entry.client for entry in request.entries]
    if any(later <= earlier for earlier, later in pairwise(clients)):
        raise _refusal("E_DUP_CLIENT", "the clients are not strictly ascending")
    planned = {entry.client: entry.weight for entry in plan.weights}
    for client in clients:
        if client not in planned:
            raise _refusal("E_UNKNOWN_CLIENT", f"{to_hex(client)} is not in the cohort")
    check_signatures(plan, request.entries, signer_of)
    for entry in request.entries:
        if entry.weight != planned[entry.client] or not 1 <= entry.weight <= MAX_WEIGHT:
            raise _refusal("E_WEIGHT", f"weight {entry.weight} of {to_hex(entry.client)} is not the plan's")
    weights = [entry.weight for entry in request.entries]
    check_quorum(weights, plan.min_clients, plan.max_share_ppm)
    try:
        encoding_of(plan).check_budget(weights)
    except EncryptionError as error:
        raise _refusal(error.code, error.args[0]) from error


def check_quorum(weights: Sequence[int], min_clients: int, max_share_ppm: int) -> None:
    """Raises EncryptionError ``E_MIN_PARTICIPANTS``, ``E_CONCENTRATION``: few, or mostly one, hide nobody."""
    if len(weights) < max(min_clients, 2):
        raise _refusal("E_MIN_PARTICIPANTS", f"{len(weights)} clients where {max(min_clients, 2)} are needed")
    if max(weights) * PPM > max_share_ppm * sum(weights):
        raise _refusal("E_CONCENTRATION", f"one client has more than {max_share_ppm} ppm of the sum of weights")


def check_signatures(plan: RoundPlan, entries: Iterable[KeyRequestEntry | GramEntry], signer_of: SignerOf) -> None:
    """Every client committed to its entry, in this round. Raises EncryptionError ``E_BAD_SIG``."""
    domain, label = domain_of(plan), plan.label()
    for entry in entries:
        commitment = Commitment(plan.task, plan.round, entry.client, label, entry.nonce, entry.ciphertext)
        try:
            verify(domain, commitment, entry.signature, signer_of(entry.client), Party.CLIENT)
        except HearthError as error:
            raise _refusal("E_BAD_SIG", f"{to_hex(entry.client)} did not sign this for this round") from error


def _refusal(code: str, message: str) -> EncryptionError:
    return EncryptionError(message, code=code, fault=Party.EDGE_SERVER)
