"""What the ledger's judge can convict a party of, as far as chain and content show it: docs/protocol.md, section 6."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

from protocol.audit.evidence import ChainEvidence, Fetch
from protocol.canonical import decode
from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.identifiers import Address, Digest, Label
from protocol.messages.chain import BatchCommitted, RoundPublished, TaskPosted, TaskTerms
from protocol.messages.keys import SignedPartialKey
from protocol.messages.settlement import MAX_RECORD_BYTES, RoundRecord
from protocol.messages.submission import MAX_BATCH_BYTES, CommitmentBatch, SignedCommitment
from protocol.round.commitments import batch_root
from protocol.signing import Signable, verify
from storage.ledger import proofs
from storage.ledger.proof_file import ProofFile

Document = TypeVar("Document")


def find_breaches(evidence: ChainEvidence, fetch: Fetch) -> Iterator[ProofFile]:
    """At most one proof of each kind for a batch, and one for each authority and label with two keys.

    Whatever cannot be read proves nothing. Receipts and signed statements are not public: whoever holds two that
    contradict each other makes the proof.
    """
    terms = next((e.terms for e in evidence.events if isinstance(e, TaskPosted) and e.task == evidence.task), None)
    if terms is None:
        return
    for event in evidence.events:
        if isinstance(event, BatchCommitted) and event.task == evidence.task:
            yield from _of_batch(evidence, fetch, terms, event)
    yield from _of_keys(evidence, fetch, terms)


def _of_batch(evidence: ChainEvidence, fetch: Fetch, terms: TaskTerms, event: BatchCommitted) -> Iterator[ProofFile]:
    task, number, view = evidence.task, event.round, evidence.rounds.get(event.round)
    batch = _read(fetch, event.batch, CommitmentBatch, MAX_BATCH_BYTES)
    if view is None or view.server >= len(terms.edge_servers) or batch is None or not batch.commitments:
        return
    if batch_root(batch) != event.root:
        return  # what the leaves under the root are, nobody can show
    server = terms.edge_servers[view.server]
    for index, signed in enumerate(batch.commitments):
        if index >= event.count or not _is_fair(evidence, signed, number, view.label):
            yield ProofFile("badLeaf", task, number, server, proofs.bad_leaf(task, number, server, batch, index))
            break
    clients = [signed.commitment.client for signed in batch.commitments]
    for low, (one, other) in enumerate(pairwise(clients)):
        if one >= other:
            proof = proofs.disorder(task, number, server, batch, low, low + 1)
            yield ProofFile("disorder", task, number, server, proof)
            break


def _is_fair(evidence: ChainEvidence, signed: SignedCommitment, number: int, label: Label) -> bool:
    commitment = signed.commitment
    here = (commitment.task, commitment.round, commitment.label) == (evidence.task, number, label)
    enrolled = commitment.client in evidence.enrolments
    return here and enrolled and _is_by(evidence.domain, commitment, signed.signature, commitment.client)


def _of_keys(evidence: ChainEvidence, fetch: Fetch, terms: TaskTerms) -> Iterator[ProofFile]:
    first: dict[tuple[Address, int, Label], SignedPartialKey] = {}
    shown = set[tuple[Address, int, Label]]()
    for event in evidence.events:
        if not isinstance(event, RoundPublished) or event.task != evidence.task:
            continue
        record = _read(fetch, event.record, RoundRecord, MAX_RECORD_BYTES)
        for signed in (*record.keys, *record.accused) if record is not None else ():
            said = signed.statement
            key = (said.authority, said.round, said.label)
            concerned = said.task == evidence.task and said.authority in terms.authorities
            if not concerned or not _is_by(evidence.domain, said, signed.signature, said.authority):
                continue
            before = first.setdefault(key, signed).statement
            if key not in shown and (before.request, before.residues) != (said.request, said.residues):
                shown.add(key)
                proof = proofs.two_keys(first[key], signed)
                yield ProofFile("twoKeys", said.task, said.round, said.authority, proof)


def _is_by(domain: Domain, message: Signable, signature: bytes, signer: Address) -> bool:
    try:
        verify(domain, message, signature, signer, Party.OURS)
    except HearthError:
        return False
    return True


def _read(fetch: Fetch, digest: Digest, kind: type[Document], max_bytes: int) -> Document | None:
    found = fetch(digest, max_bytes, None)
    try:
        return decode(kind, found, max_bytes) if isinstance(found, bytes) else None
    except HearthError:
        return None
