"""Proofs of a breach as ``dispute`` takes them: calls of ``IHearthJudge``, from signed messages and a round's batch.

Each function only encodes: the judge decides, and refuses a proof that shows nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import astuple

from protocol import merkle
from protocol.audit.breaches import (
    BadLeaf,
    Breach,
    Disorder,
    LoweredLeaf,
    OverAllocated,
    TwoKeys,
    TwoOpenings,
    TwoSightings,
    UnplannedLeaf,
)
from protocol.cohort import place_of
from protocol.identifiers import Address
from protocol.incentives.rewards import claim_batch, claim_proof
from protocol.messages.keys import SignedPartialKey, SignedSighting
from protocol.messages.round import ClientWeight, SignedRoundStatement
from protocol.messages.screening import SignedOpening
from protocol.messages.settlement import Allocation, ProvenEntitlement
from protocol.messages.submission import Commitment, CommitmentBatch
from protocol.round.commitments import batch_leaves
from storage.ledger.ethereum.calls import encode_proof
from storage.ledger.proof_file import ProofFile


def two_statements(server: Address, one: SignedRoundStatement, other: SignedRoundStatement) -> bytes:
    """The server signed two plans, or two models, for one round."""
    signed = [(astuple(said.statement), said.signature) for said in (one, other)]
    return encode_proof("twoStatements", server, *signed[0], *signed[1])


def two_keys(one: SignedPartialKey, other: SignedPartialKey) -> bytes:
    """The authority signed two requests, or two residues for one request, under one label."""
    signed = [(astuple(said.statement), said.signature) for said in (one, other)]
    return encode_proof("twoKeys", *signed[0], *signed[1])


def two_openings(one: SignedOpening, other: SignedOpening) -> bytes:
    """The authority signed two answers to requests for openings under one label."""
    signed = [(astuple(said.statement), said.signature) for said in (one, other)]
    return encode_proof("twoOpenings", *signed[0], *signed[1])


def two_sightings(one: SignedSighting, other: SignedSighting) -> bytes:
    """The authority signed that it saw two requests of one kind under one label."""
    signed = [(astuple(said.statement), said.signature) for said in (one, other)]
    return encode_proof("twoSightings", *signed[0], *signed[1])


def receipt_ignored(server: Address, promised: Commitment, receipt: bytes, batch: CommitmentBatch | None) -> bytes:
    """The server's receipt is for a client that is not in the round's batch; None when no batch came in time."""
    around = [] if batch is None else _around(batch, promised.client)
    return encode_proof("receiptIgnored", server, astuple(promised), receipt, around)


def bad_leaf(task: int, round_number: int, server: Address, batch: CommitmentBatch, index: int) -> bytes:
    """This commitment of the batch is not its client's, not of this round, or of somebody who never enrolled."""
    return encode_proof("badLeaf", task, round_number, server, _leaf(batch, index))


def disorder(task: int, round_number: int, server: Address, batch: CommitmentBatch, low: int, high: int) -> bytes:
    """These two leaves of the batch are not in ascending order of their clients, or of one client."""
    return encode_proof("disorder", task, round_number, server, _leaf(batch, low), _leaf(batch, high))


def unplanned_leaf(
    task: int,
    round_number: int,
    server: Address,
    batch: CommitmentBatch,
    index: int,
    weights: Sequence[ClientWeight],
) -> bytes:
    """This commitment of the batch is of a client that is not among the planned ones, ``weights``."""
    planned = [entry.client for entry in weights]
    around = _neighbours(planned, batch.commitments[index].commitment.client)
    placed = [(planned[at], astuple(place_of(weights, planned[at]))) for at in around]
    return encode_proof("unplannedLeaf", task, round_number, server, _leaf(batch, index), placed)


def lowered_leaf(task: int, server: Address, before: Allocation, after: Allocation, client: Address) -> bytes:
    """``after``, which waits, gives ``client`` less than ``before``, which stands."""
    proven = [_entitlement(claim_proof(allocation, client)) for allocation in (before, after)]
    return encode_proof("loweredLeaf", task, server, *proven)


def over_allocated(task: int, server: Address, allocation: Allocation, allocated: int) -> bytes:
    """Leaves of ``allocation``, which waits, that add up to more than the contract was told: as few as can be."""
    shown, total = set[Address](), 0
    for entry in sorted(allocation.entitlements, key=lambda entry: entry.cumulative, reverse=True):
        if total > allocated:
            break
        shown.add(entry.client)
        total += entry.cumulative
    batch = claim_batch(allocation, shown)
    leaves = [(index, *astuple(entitlement)) for index, entitlement in batch.leaves]
    return encode_proof("overAllocated", task, server, leaves, batch.proof, batch.flags)


def proof_of(breach: Breach) -> ProofFile:
    """What an audit has found, for the judge."""
    where = breach.task, breach.round, breach.culprit
    match breach:
        case BadLeaf(batch=batch, index=index):
            return ProofFile("badLeaf", *where, bad_leaf(*where, batch, index))
        case Disorder(batch=batch, index=low):
            return ProofFile("disorder", *where, disorder(*where, batch, low, low + 1))
        case UnplannedLeaf(batch=batch, index=index, weights=weights):
            return ProofFile("unplannedLeaf", *where, unplanned_leaf(*where, batch, index, weights))
        case LoweredLeaf(before=before, after=after, client=client):
            proof = lowered_leaf(breach.task, breach.culprit, before, after, client)
            return ProofFile("loweredLeaf", *where, proof)
        case OverAllocated(allocation=allocation, allocated=allocated):
            proof = over_allocated(breach.task, breach.culprit, allocation, allocated)
            return ProofFile("overAllocated", *where, proof)
        case TwoKeys(one=one, other=other):
            return ProofFile("twoKeys", *where, two_keys(one, other))
        case TwoOpenings(one=one, other=other):
            return ProofFile("twoOpenings", *where, two_openings(one, other))
        case TwoSightings(one=one, other=other):
            return ProofFile("twoSightings", *where, two_sightings(one, other))


def _leaf(batch: CommitmentBatch, index: int) -> tuple[object, ...]:
    entry = batch.commitments[index]
    return index, astuple(entry.commitment), entry.signature, merkle.proof(batch_leaves(batch), index)


def _around(batch: CommitmentBatch, client: Address) -> list[tuple[object, ...]]:
    """The leaves between which the client would stand, or the first or last one that it would stand beyond."""
    clients = [entry.commitment.client for entry in batch.commitments]
    return [_leaf(batch, index) for index in _neighbours(clients, client)]


def _neighbours(clients: Sequence[Address], client: Address) -> list[int]:
    """Places in an ascending list."""
    place = bisect_left(clients, client)
    return [index for index in (place - 1, place) if 0 <= index < len(clients)]


def _entitlement(proven: ProvenEntitlement) -> tuple[object, ...]:
    return (proven.index, *astuple(proven.entitlement)), proven.proof
