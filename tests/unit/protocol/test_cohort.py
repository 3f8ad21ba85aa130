"""The sum tree over a cohort: what it adds up, and whose place it proves."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.cohort import CohortTree, own_place, place_of, sum_of, verify_place
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.round import ClientWeight, CohortNode

WEIGHTS = st.lists(st.integers(1, 2**40 - 1), min_size=1, max_size=40)


def _cohort(weights: list[int]) -> list[ClientWeight]:
    clients = sorted(sha256(b"%d" % number).digest()[:20] for number in range(len(weights)))
    return [ClientWeight(client, weight) for client, weight in zip(clients, weights, strict=True)]


@settings(max_examples=60)
@given(WEIGHTS)
def test_every_place_leads_to_the_root_and_tells_the_totals(weights: list[int]) -> None:
    cohort, height = _cohort(weights), (len(weights) - 1).bit_length()
    found = sum_of(cohort)
    assert (found.count, found.total, found.largest) == (len(weights), sum(weights), max(weights))
    assert found.squares == sum(weight * weight for weight in weights)
    for index, entry in enumerate(cohort):
        place = place_of(cohort, entry.client)
        assert (place.index, place.weight, len(place.siblings)) == (index, entry.weight, height)
        assert verify_place(found.root, found.count, entry.client, place) == found


@settings(max_examples=60)
@given(WEIGHTS, st.data())
def test_no_other_place_is_proven(weights: list[int], data: st.DataObject) -> None:
    cohort = _cohort(weights)
    found, entry = sum_of(cohort), data.draw(st.sampled_from(cohort))
    place, stranger = place_of(cohort, entry.client), bytes(20)
    wrong = [replace(place, index=place.index + 1), replace(place, weight=place.weight % 255 + 1)]
    wrong.append(replace(place, siblings=(*place.siblings, CohortNode(ZERO_DIGEST, 0))))
    wrong.append(replace(place, index=place.index + (1 << len(place.siblings))))
    for level, node in enumerate(place.siblings):
        others = (replace(node, node=bytes(31) + b"\1"), replace(node, totals=node.totals ^ 1))
        before, after = place.siblings[:level], place.siblings[level + 1 :]
        wrong += [replace(place, siblings=(*before, other, *after)) for other in others]
    for one in wrong:
        if one != place:
            with pytest.raises(VerificationError):
                verify_place(found.root, found.count, entry.client, one)
    for count, client in ((found.count + 1, entry.client), (found.count, stranger)):
        with pytest.raises(VerificationError):
            verify_place(found.root, count, client, place)


def test_a_tree_names_its_clients_their_order_and_their_weights() -> None:
    cohort = _cohort([3, 1, 2])
    swapped = [cohort[1], cohort[0], cohort[2]]
    reweighed = [ClientWeight(cohort[0].client, 1), ClientWeight(cohort[1].client, 3), cohort[2]]
    roots = {sum_of(one).root for one in (cohort, swapped, reweighed, cohort[:2], [*cohort, cohort[2]])}
    assert len(roots) == 5


def test_who_is_not_planned_has_no_place() -> None:
    with pytest.raises(VerificationError, match="not in the cohort"):
        place_of(_cohort([1, 2]), bytes(20))


@pytest.mark.parametrize("bits", [160, 224, 255])
def test_totals_that_run_over_are_refused(bits: int) -> None:
    """No sum reaches into the one beside it, whatever a sibling claims."""
    cohort = _cohort([1, 1])
    place = place_of(cohort, cohort[0].client)
    full = CohortNode(place.siblings[0].node, (1 << bits) - 1 if bits < 255 else 2**256 - 1)
    with pytest.raises(VerificationError, match="out of range"):
        verify_place(bytes(32), 2, cohort[0].client, replace(place, siblings=(full,)))


@settings(max_examples=60)
@given(WEIGHTS, st.binary(min_size=20, max_size=20))
def test_a_client_is_shown_its_place_or_that_it_has_none(weights: list[int], stranger: bytes) -> None:
    cohort = _cohort(weights)
    tree, found = CohortTree(cohort), sum_of(cohort)
    for entry in cohort:
        assert own_place(found, entry.client, tree.places(entry.client)) == place_of(cohort, entry.client)
    for client in (stranger, bytes(20), b"\xff" * 20):
        if client not in {entry.client for entry in cohort}:
            assert own_place(found, client, tree.places(client)) is None


@settings(max_examples=60)
@given(WEIGHTS, st.data())
def test_nobody_who_is_planned_is_shown_out_of_the_cohort(weights: list[int], data: st.DataObject) -> None:
    cohort = _cohort(weights)
    tree, found = CohortTree(cohort), sum_of(cohort)
    client = data.draw(st.sampled_from(cohort)).client
    everybody = [tree.places(entry.client)[0] for entry in cohort]
    others = data.draw(st.lists(st.sampled_from(everybody), max_size=2))
    if others[:1] != list(tree.places(client)):
        with pytest.raises(VerificationError):
            own_place(found, client, others)
    with pytest.raises(VerificationError, match="totals"):
        own_place(replace(found, total=found.total + 1), client, tree.places(client))
