"""Who is accused of what, from one honest round and what is changed in it; nobody is accused without a proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocol.audit.breaches import (
    BadLeaf,
    Breach,
    Disorder,
    LoweredLeaf,
    OverAllocated,
    TwoKeys,
    TwoSightings,
    UnplannedLeaf,
    find_breaches,
)
from protocol.canonical import decode, encode
from protocol.identifiers import Digest, sha256
from protocol.incentives.rewards import total_owed
from protocol.messages.chain import BatchCommitted, RoundOpened, RoundPublished
from protocol.messages.keys import SignedPartialKey, SignedSighting
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import MAX_RECORD_BYTES, RoundRecord
from protocol.messages.submission import CommitmentBatch, SignedCommitment
from protocol.round.commitments import batch_of, batch_root
from protocol.signing import address_of, sign
from storage.content.interface import get_document
from storage.content.memory import MemoryStore
from storage.evidence import read_evidence, read_state
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.samples import private_key
from tests.tiny_task import CLIENTS, authority_key, funded_ledger

Leaves = tuple[SignedCommitment, ...]
OTHER = b"\7" * 32


class Round:
    """The honest one; every method is about a changed copy."""

    def __init__(self) -> None:
        self.player = Player(funded_ledger("accused"), rounds=1)
        self.player.play(1, Conduct())
        self.evidence = read_evidence(self.player.reader, self.player.task)
        (batched,) = [e for e in self.evidence.events if isinstance(e, BatchCommitted)]
        (published,) = [e for e in self.evidence.events if isinstance(e, RoundPublished)]
        self.leaves = decode(CommitmentBatch, self._fetch(batched.batch)).commitments
        self.record = decode(RoundRecord, self._fetch(published.record))
        (opened,) = [e for e in self.evidence.events if isinstance(e, RoundOpened)]
        self.weights = decode(RoundPlan, self._fetch(opened.plan)).weights
        self.keys = {household.address: household.private_key for household in self.player.households}

    def _fetch(self, digest: Digest) -> bytes:
        return get_document(self.player.store, digest, MAX_RECORD_BYTES)

    def breaches(self, kind: type[Any] | None = None, **changes: Any) -> list[Breach]:
        """With all events of this kind changed."""
        events = (
            replace(event, **changes) if kind and isinstance(event, kind) else event for event in self.evidence.events
        )
        state = read_state(self.player.store, replace(self.evidence, events=tuple(events)))
        return list(find_breaches(self.player.domain, state))

    def of_batch(self, leaves: Leaves, count: int = CLIENTS) -> list[Breach]:
        batch = CommitmentBatch(leaves)
        return self.breaches(BatchCommitted, root=batch_root(batch), batch=self.player.put(encode(batch)), count=count)

    def of_keys(self, *accused: SignedPartialKey) -> list[Breach]:
        record = replace(self.record, accused=accused)
        return self.breaches(RoundPublished, record=self.player.put(encode(record)))

    def of_sightings(self, *more: SignedSighting) -> list[Breach]:
        record = replace(self.record, sightings=(*self.record.sightings, *more))
        return self.breaches(RoundPublished, record=self.player.put(encode(record)))

    def with_leaf(self, place: int, key: bytes | None = None, **changes: int | bytes) -> Leaves:
        """One commitment says something else, signed by its own client unless another key is named."""
        commitment = replace(self.leaves[place].commitment, **changes)  # type: ignore[arg-type]
        signature = sign(self.player.domain, commitment, key or self.keys[self.leaves[place].commitment.client])
        return (*self.leaves[:place], SignedCommitment(commitment, signature), *self.leaves[place + 1 :])

    def second_key(self, key: bytes, **changes: Any) -> SignedPartialKey:
        statement = replace(self.record.keys[0].statement, **changes)
        return SignedPartialKey(statement, sign(self.player.domain, statement, key))

    def second_sighting(self, key: bytes, **changes: Any) -> SignedSighting:
        statement = replace(self.record.sightings[0].statement, **changes)
        return SignedSighting(statement, sign(self.player.domain, statement, key))


@pytest.fixture(scope="module")
def honest() -> Round:
    return Round()


def test_an_honest_round_accuses_nobody(honest: Round) -> None:
    assert honest.breaches() == honest.of_batch(honest.leaves) == honest.of_keys() == []


@pytest.mark.parametrize(
    "leaves",
    [
        lambda r: r.with_leaf(2, key=private_key("stranger"), nonce=bytes(16)),
        lambda r: r.with_leaf(2, label=OTHER),
        lambda r: r.with_leaf(2, round=2),
        lambda r: r.with_leaf(2, task=7),
        lambda r: (*r.leaves[:2], replace(r.leaves[2], signature=bytes(65)), *r.leaves[3:]),
    ],
)
def test_a_bad_leaf_is_shown_by_its_place(honest: Round, leaves: Callable[[Round], Leaves]) -> None:
    made, edge = leaves(honest), honest.player.edge.sender
    assert honest.of_batch(made) == [BadLeaf(1, 1, edge, CommitmentBatch(made), 2)]


def test_an_outsider_and_a_leaf_beyond_the_count_are_bad(honest: Round) -> None:
    edge, stranger = honest.player.edge.sender, private_key("stranger")
    made = batch_of(honest.with_leaf(2, key=stranger, client=address_of(stranger)))
    (place,) = [i for i, signed in enumerate(made.commitments) if signed.commitment.client == address_of(stranger)]
    unplanned = UnplannedLeaf(1, 1, edge, made, place, honest.weights)
    assert honest.of_batch(made.commitments) == [BadLeaf(1, 1, edge, made, place), unplanned]
    beyond = BadLeaf(1, 1, edge, CommitmentBatch(honest.leaves), CLIENTS - 1)
    assert honest.of_batch(honest.leaves, count=CLIENTS - 1) == [beyond]


@pytest.mark.parametrize("order", [(0, 2, 1, 3, 4), (0, 1, 1, 3, 4)])
def test_disorder_is_shown_by_two_neighbours(honest: Round, order: tuple[int, ...]) -> None:
    made, edge = tuple(honest.leaves[place] for place in order), honest.player.edge.sender
    assert honest.of_batch(made) == [Disorder(1, 1, edge, CommitmentBatch(made), 1)]


@pytest.mark.parametrize("document", [OTHER, sha256(b"text")])
def test_a_document_that_is_away_or_is_none_accuses_nobody(honest: Round, document: bytes) -> None:
    honest.player.put(b"text")
    assert honest.breaches(BatchCommitted, batch=document) == []
    assert honest.breaches(RoundPublished, record=document) == []


def test_a_batch_that_does_not_stand_under_the_root_shows_nothing(honest: Round) -> None:
    made = honest.player.put(encode(CommitmentBatch(honest.with_leaf(2, round=2))))
    assert honest.breaches(BatchCommitted, batch=made, root=OTHER) == []


@pytest.mark.parametrize("field", ["request", "residues"])
def test_two_keys_of_one_authority_under_one_label(honest: Round, field: str) -> None:
    first, second = honest.record.keys[0], honest.second_key(authority_key(1), **{field: OTHER})
    third = honest.second_key(authority_key(1), **{field: sha256(OTHER)})
    expected = TwoKeys(1, 1, first.statement.authority, first, second)
    assert honest.of_keys(second) == honest.of_keys(second, third) == [expected]


def test_two_sightings_of_one_authority_under_one_label(honest: Round) -> None:
    first, second = honest.record.sightings[0], honest.second_sighting(authority_key(1), digest=OTHER)
    third = honest.second_sighting(authority_key(1), digest=sha256(OTHER))
    expected = TwoSightings(1, 1, first.statement.authority, first, second)
    assert honest.of_sightings(second) == honest.of_sightings(second, third) == [expected]


def test_sightings_of_other_places_or_other_hands_accuse_no_authority(honest: Round) -> None:
    key, stranger = authority_key(1), private_key("stranger")
    harmless = [
        honest.record.sightings[0],
        *(honest.second_sighting(key, digest=OTHER, **place) for place in ({"kind": OTHER}, {"label": OTHER})),
        *(honest.second_sighting(key, digest=OTHER, **place) for place in ({"round": 2}, {"task": 2})),
        honest.second_sighting(stranger, digest=OTHER),
    ]
    assert honest.of_sightings(*harmless) == []


def test_a_cohort_that_is_not_the_one_on_chain_shows_nobody_unplanned(honest: Round) -> None:
    edge, stranger = honest.player.edge.sender, private_key("stranger")
    made = batch_of(honest.with_leaf(2, key=stranger, client=address_of(stranger)))
    root, batch = batch_root(made), honest.player.put(encode(made))
    events = [
        replace(event, root=root, batch=batch) if isinstance(event, BatchCommitted) else event
        for event in honest.evidence.events
    ]
    other = tuple(replace(event, cohort_root=OTHER) if isinstance(event, RoundOpened) else event for event in events)
    for told, kinds in ((tuple(events), [BadLeaf, UnplannedLeaf]), (other, [BadLeaf])):
        state = read_state(honest.player.store, replace(honest.evidence, events=told))
        found = list(find_breaches(honest.player.domain, state))
        assert [type(breach) for breach in found] == kinds and {breach.culprit for breach in found} == {edge}


def test_a_tree_that_owes_more_than_the_contract_was_told(honest: Round) -> None:
    allocation, owed = honest.player.allocation, total_owed(honest.player.allocation)
    assert honest.breaches(RoundPublished, allocated=owed + 1) == []
    expected = OverAllocated(1, 1, honest.player.edge.sender, allocation, owed - 1)
    assert honest.breaches(RoundPublished, allocated=owed - 1) == [expected]


def test_a_tree_that_owes_somebody_less_than_the_one_before() -> None:
    player = Player(funded_ledger("lowered"), rounds=2)
    player.play(1, Conduct())
    before = player.allocation
    poor, rich, *others = before.entitlements
    moved = (replace(poor, cumulative=poor.cumulative - 1), replace(rich, cumulative=rich.cumulative + 1))
    robbed = replace(before, round=2, entitlements=(*moved, *others))
    player.play(2, Conduct(lies={"allocation": lambda _: robbed}))
    evidence = read_evidence(player.reader, player.task)
    found = list(find_breaches(player.domain, read_state(player.store, evidence)))
    assert found == [LoweredLeaf(player.task, 2, player.edge.sender, before, robbed, poor.client)]


def test_keys_that_do_not_contradict_or_are_not_its_own_accuse_no_authority(honest: Round) -> None:
    key, stranger = authority_key(1), private_key("stranger")
    harmless = [
        honest.record.keys[0],
        honest.second_key(key, label=OTHER),
        honest.second_key(key, round=2),
        honest.second_key(key, task=2, residues=OTHER),
        honest.second_key(stranger, residues=OTHER),
        honest.second_key(stranger, authority=address_of(stranger)),
        honest.second_key(stranger, authority=address_of(stranger), residues=OTHER),
    ]
    assert honest.of_keys(*harmless) == []


def test_a_store_without_anything_accuses_nobody(honest: Round) -> None:
    assert list(find_breaches(honest.player.domain, read_state(MemoryStore(), honest.evidence))) == []
