"""What signatures and a round's trees alone can find a party guilty of: HearthJudge of contracts/src."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

from eth_abi.abi import decode as lenient_decode
from eth_abi.exceptions import DecodingError

from protocol import merkle
from protocol.cohort import verify_place
from protocol.domain import Domain, commitment_leaf, entitlement_leaf
from protocol.errors import VerificationError
from protocol.identifiers import Address, Digest
from protocol.messages.chain import RoundView, TaskView
from protocol.messages.keys import PartialKeyStatement, SightingStatement
from protocol.messages.round import CohortNode, CohortPlace, RoundStatement
from protocol.messages.screening import OpeningStatement
from protocol.messages.settlement import Entitlement
from protocol.messages.submission import BatchLeaf, Commitment, Receipt, SignedCommitment
from protocol.signing import Signable, struct_hash
from storage.ledger.ethereum import abi
from tests.reference_ledger.accounting import signed_by
from tests.reference_ledger.books import Books, Role, refuse
from tests.reference_ledger.multiproof import multiproof_root

Verdict = tuple[int, int, Address]  # task, round, culprit


class Judge:
    """Reads the books and changes nothing."""

    def __init__(self, domain: Domain, books: Books, now: int) -> None:
        self.domain, self.books, self.now = domain, books, now

    def verdict(self, proof: bytes) -> Verdict:
        """Refuses every proof that shows nothing, ``FailedCall`` when it is no call of IHearthJudge at all.

        Only here also when zeros that fill the last word are missing, which the EVM does not look at.
        """
        entry = next((entry for entry in abi.proofs().values() if entry.hash[:4] == proof[:4]), None)
        if entry is None:
            refuse("FailedCall")
        try:
            # as the EVM does, takes every encoding of the arguments, not only the canonical one
            canonical = abi.encode(entry.inputs, lenient_decode(entry.inputs, proof[4:]))
        except (DecodingError, OverflowError):
            refuse("FailedCall")
        find: dict[str, Callable[..., Verdict]] = {
            "twoStatements": self._two_statements,
            "twoKeys": partial(self._two_answers, PartialKeyStatement),
            "twoOpenings": partial(self._two_answers, OpeningStatement),
            "twoSightings": self._two_sightings,
            "receiptIgnored": self._receipt_ignored,
            "badLeaf": self._bad_leaf,
            "disorder": self._disorder,
            "unplannedLeaf": self._unplanned_leaf,
            "loweredLeaf": self._lowered_leaf,
            "overAllocated": self._over_allocated,
        }
        return find[entry.name](*abi.decode(entry.inputs, canonical))

    def _two_statements(
        self, server: Address, first: tuple[Any, ...], first_signature: bytes, second: tuple[Any, ...], signature: bytes
    ) -> Verdict:
        one, other = RoundStatement(*first), RoundStatement(*second)
        opened = self._listed(one.task, server, Role.EDGE_SERVER) == self.books.rounds[one.task, one.round].server
        if not opened and self.books.tasks[one.task].edge_server != server:
            refuse("NotAccused", server)
        labels = one.label != other.label
        models = any(one.model) and any(other.model) and one.model != other.model
        if (one.task, one.round) != (other.task, other.round) or not (labels or models):
            refuse("NoConflict")
        self._signed(one, server, first_signature)
        self._signed(other, server, signature)
        return one.task, one.round, server

    def _two_answers(
        self,
        kind: type[PartialKeyStatement] | type[OpeningStatement],
        first: tuple[Any, ...],
        first_signature: bytes,
        second: tuple[Any, ...],
        signature: bytes,
    ) -> Verdict:
        one, other = kind(*first), kind(*second)
        authority = one.authority
        self._listed(one.task, authority, Role.AUTHORITY)
        same = (one.task, one.round, one.label, authority) == (other.task, other.round, other.label, other.authority)
        if not same or (first[3], first[6]) == (second[3], second[6]):  # the request, and what answers it
            refuse("NoConflict")
        self._signed(one, authority, first_signature)
        self._signed(other, authority, signature)
        return one.task, one.round, authority

    def _two_sightings(
        self, first: tuple[Any, ...], first_signature: bytes, second: tuple[Any, ...], signature: bytes
    ) -> Verdict:
        one, other = SightingStatement(*first), SightingStatement(*second)
        self._listed(one.task, one.authority, Role.AUTHORITY)
        if one == other or one != replace(other, digest=one.digest):
            refuse("NoConflict")
        self._signed(one, one.authority, first_signature)
        self._signed(other, one.authority, signature)
        return one.task, one.round, one.authority

    def _receipt_ignored(
        self, server: Address, promise: tuple[Any, ...], receipt: bytes, around: tuple[tuple[Any, ...], ...]
    ) -> Verdict:
        promised = Commitment(*promise)
        task, number, label = promised.task, promised.round, promised.label
        shown = self._of_batcher(task, number, server)
        self._signed(Receipt(task, number, label, struct_hash(promised)), server, receipt)
        if label != shown.label:
            refuse("NoConflict")
        if shown.batched:
            _require_between(shown, promised.client, [leaf_of(values) for values in around])
        elif self.now <= shown.commit_until:
            refuse("TooEarly", shown.commit_until)
        return task, number, server

    def _bad_leaf(self, task: int, number: int, server: Address, values: tuple[Any, ...]) -> Verdict:
        shown, leaf = self._of_batcher(task, number, server), leaf_of(values)
        _require_included(shown, leaf)
        said = leaf.signed.commitment
        here = (said.task, said.round, said.label) == (task, number, shown.label) and leaf.index < shown.batched
        signed = signed_by(self.domain, said, self.books.signer_of(task, said.client), leaf.signed.signature)
        if here and signed and any(self.books.enrolments[task, said.client].envelope):
            refuse("NoConflict")
        return task, number, server

    def _disorder(
        self, task: int, number: int, server: Address, first: tuple[Any, ...], second: tuple[Any, ...]
    ) -> Verdict:
        shown, low, high = self._of_batcher(task, number, server), leaf_of(first), leaf_of(second)
        _require_included(shown, low)
        _require_included(shown, high)
        if low.index >= high.index or low.signed.commitment.client < high.signed.commitment.client:
            refuse("NoConflict")
        return task, number, server

    def _unplanned_leaf(
        self, task: int, number: int, server: Address, values: tuple[Any, ...], around: tuple[tuple[Any, ...], ...]
    ) -> Verdict:
        shown, leaf = self._of_batcher(task, number, server), leaf_of(values)
        _require_included(shown, leaf)
        if not 1 <= len(around) <= 2:
            refuse("NoConflict")
        placed = [(neighbour, place_of(values)) for neighbour, values in around]
        for neighbour, place in placed:
            try:
                verify_place(shown.cohort_root, shown.cohort, neighbour, place)
            except VerificationError:
                refuse("NoConflict")
        (low, first), (high, last), client = placed[0], placed[-1], leaf.signed.commitment.client
        if len(placed) == 2:
            absent = first.index + 1 == last.index and low < client < high
        else:
            absent = (first.index == 0 and client < low) or (first.index + 1 == shown.cohort and low < client)
        if not absent:
            refuse("NoConflict")
        return task, number, server

    def _lowered_leaf(self, task: int, server: Address, standing: tuple[Any, ...], lowered: tuple[Any, ...]) -> Verdict:
        shown = self._of_settler(task, server)
        (before, before_proof), (after, after_proof) = standing, lowered
        stands = _is_entitled(task, before, before_proof, shown.allocation_root)
        waits = _is_entitled(task, after, after_proof, shown.pending_root)
        one, other = Entitlement(*before[1:]), Entitlement(*after[1:])
        if not stands or not waits or one.client != other.client or other.cumulative >= one.cumulative:
            refuse("NoConflict")
        return task, shown.pending_round, server

    def _over_allocated(
        self,
        task: int,
        server: Address,
        leaves: tuple[tuple[Any, ...], ...],
        proof: tuple[Digest, ...],
        flags: tuple[bool, ...],
    ) -> Verdict:
        shown = self._of_settler(task, server)
        if any(one[0] >= before[0] for before, one in pairwise(leaves)):  # each once
            refuse("NoConflict")
        hashes = [entitlement_leaf(task, leaf[0], Entitlement(*leaf[1:])) for leaf in leaves]
        waits = multiproof_root(hashes, proof, flags) == shown.pending_root
        promised = sum(Entitlement(*leaf[1:]).cumulative for leaf in leaves)
        if not waits or promised <= shown.pending_allocated:
            refuse("NoConflict")
        return task, shown.pending_round, server

    def _of_settler(self, task: int, server: Address) -> TaskView:
        """The server that settled the round whose payout waits."""
        shown = self.books.known(task)
        settled = self._listed(task, server, Role.EDGE_SERVER) == shown.pending_server
        if not settled or not shown.pending_round:
            refuse("NotAccused", server)
        return shown

    def _of_batcher(self, task: int, number: int, server: Address) -> RoundView:
        """The round of that server's batch: it opened it."""
        self.books.known(task)
        shown = self.books.rounds[task, number]
        if self._listed(task, server, Role.EDGE_SERVER) != shown.server:
            refuse("NotAccused", server)
        return shown

    def _listed(self, task: int, party: Address, role: Role) -> int:
        bond = self.books.bonds[task, party]
        if bond.role != role:
            refuse("NotAccused", party)
        return bond.index

    def _signed(self, message: Signable, party: Address, signature: bytes) -> None:
        if not signed_by(self.domain, message, party, signature):
            refuse("SignatureInvalid", party)


def leaf_of(values: tuple[Any, ...]) -> BatchLeaf:
    index, commitment, signature, proof = values
    return BatchLeaf(index, SignedCommitment(Commitment(*commitment), signature), proof)


def place_of(values: tuple[Any, ...]) -> CohortPlace:
    index, weight, siblings = values
    return CohortPlace(index, weight, tuple(CohortNode(*node) for node in siblings))


def is_batched(root: Digest, leaf: BatchLeaf) -> bool:
    node = commitment_leaf(leaf.index, struct_hash(leaf.signed.commitment), leaf.signed.signature)
    return _is_under(root, node, leaf.proof)


def _is_entitled(task: int, leaf: tuple[Any, ...], proof: tuple[Digest, ...], root: Digest) -> bool:
    return _is_under(root, entitlement_leaf(task, leaf[0], Entitlement(*leaf[1:])), proof)


def _is_under(root: Digest, node: Digest, proof: tuple[Digest, ...]) -> bool:
    try:
        merkle.verify(root, node, proof)
    except VerificationError:
        return False
    return True


def _require_included(shown: RoundView, leaf: BatchLeaf) -> None:
    if not is_batched(shown.batch_root, leaf):
        refuse("NotInBatch", leaf.index)


def _require_between(shown: RoundView, client: Address, around: list[BatchLeaf]) -> None:
    """Nobody stands in the batch where the client would have to: it is sorted, and leaves carry their index."""
    if not 1 <= len(around) <= 2:
        refuse("NoConflict")
    for leaf in around:
        _require_included(shown, leaf)
    first, last = around[0], around[-1]
    if len(around) == 2:
        neighbours = first.index + 1 == last.index
        absent = neighbours and first.signed.commitment.client < client < last.signed.commitment.client
    else:
        before = first.index == 0 and client < first.signed.commitment.client
        absent = before or (first.index + 1 == shown.batched and first.signed.commitment.client < client)
    if not absent:
        refuse("NoConflict")
