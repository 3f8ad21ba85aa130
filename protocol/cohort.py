"""The cohort of a round as a Merkle sum tree: anybody can be shown a client's place and weight under the root on chain.

Leaves ascend by address. Every node carries what is below it: clients, sum of weights, sum of their squares, largest
weight. Where a level is odd, an empty node of zeros stands last. ``CohortTree`` of the contracts climbs the same tree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from protocol.errors import Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, to_hex
from protocol.keccak import keccak
from protocol.merkle import leaf
from protocol.messages.round import ClientWeight, CohortNode, CohortPlace, CohortSum, PlannedClient

LEAF_TAG: Final = keccak(b"HearthCohortLeaf(uint256 index,address client,uint256 weight)")
_EMPTY: Final = CohortNode(ZERO_DIGEST, 0)
_COUNT, _SUM, _SQUARES = 224, 160, 64  # where each part of the totals begins, in bits; the largest weight is below
_BOUNDS: Final = (2**32, 2**64, 2**96, 2**64)


class CohortTree:
    """Made once for all who ask where they are; ``weights`` ascend by address."""

    def __init__(self, weights: Sequence[ClientWeight]) -> None:
        self._weights, self._levels = weights, _levels(weights)

    def places(self, client: Address) -> tuple[PlannedClient, ...]:
        """Its own; or those of its neighbours, the one before it first, which prove that it is not planned."""
        index = bisect_left(self._weights, client, key=lambda entry: entry.client)
        if index < len(self._weights) and self._weights[index].client == client:
            return (self._planned(index),)
        return tuple(self._planned(near) for near in (index - 1, index) if 0 <= near < len(self._weights))

    def _planned(self, index: int) -> PlannedClient:
        entry = self._weights[index]
        siblings = (level[(index >> height) ^ 1] for height, level in enumerate(self._levels[:-1]))
        return PlannedClient(entry.client, CohortPlace(index, entry.weight, tuple(siblings)))


def own_place(cohort: CohortSum, client: Address, places: Sequence[PlannedClient]) -> CohortPlace | None:
    """What ``places`` prove under root and totals of ``cohort``: where ``client`` is planned, or None that it is not.

    Raises VerificationError where they prove neither.
    """
    for planned in places:
        if verify_place(cohort.root, cohort.count, planned.client, planned.place) != cohort:
            raise VerificationError("the places are not under the totals of the cohort", fault=Party.EDGE_SERVER)
    found = [(planned.place.index, planned.client) for planned in places]
    match found:
        case [(_, one)] if one == client:
            return places[0].place
        case [(0, first)] if client < first:
            return None
        case [(index, last)] if index == cohort.count - 1 and last < client:
            return None
        case [(index, before), (following, after)] if following == index + 1 and before < client < after:
            return None
    raise VerificationError("the places do not tell whether this client is planned", fault=Party.EDGE_SERVER)


def sum_of(weights: Sequence[ClientWeight]) -> CohortSum:
    """Root and totals over at least one client; ``weights`` ascend by address."""
    (top,) = _levels(weights)[-1]
    return CohortSum(top.node, *_parts(top.totals))


def place_of(weights: Sequence[ClientWeight], client: Address) -> CohortPlace:
    """Raises VerificationError when ``client`` is not planned."""
    found = CohortTree(weights).places(client)
    if found[0].client == client:
        return found[0].place
    raise VerificationError(f"{to_hex(client)} is not in the cohort", fault=Party.EDGE_SERVER)


def verify_place(root: Digest, count: int, client: Address, place: CohortPlace) -> CohortSum:
    """The totals under ``root``. Raises VerificationError unless ``client`` stands there among ``count`` clients."""
    node, path = _leaf(place.index, ClientWeight(client, place.weight)), place.index
    for sibling in place.siblings:
        node = _join(sibling, node) if path % 2 else _join(node, sibling)
        path //= 2
    proven = CohortSum(node.node, *_parts(node.totals))
    if path or proven.root != root or proven.count != count:
        raise VerificationError(f"{to_hex(client)} has no such place in the cohort", fault=Party.EDGE_SERVER)
    return proven


def _levels(weights: Sequence[ClientWeight]) -> list[list[CohortNode]]:
    """From the leaves to the root; every level below it is even."""
    level = [_leaf(index, entry) for index, entry in enumerate(weights)]
    levels = [level]
    while len(level) > 1:
        if len(level) % 2:
            level.append(_EMPTY)
        level = [_join(level[k], level[k + 1]) for k in range(0, len(level), 2)]
        levels.append(level)
    return levels


def _leaf(index: int, entry: ClientWeight) -> CohortNode:
    weight = entry.weight
    payload = index.to_bytes(32, "big") + bytes(12) + entry.client + weight.to_bytes(32, "big")
    totals = 1 << _COUNT | weight << _SUM | weight * weight << _SQUARES | weight
    return CohortNode(leaf(LEAF_TAG, payload), totals)


def _join(left: CohortNode, right: CohortNode) -> CohortNode:
    """Raises VerificationError for totals that no cohort has."""
    words = (left.totals.to_bytes(32, "big"), right.totals.to_bytes(32, "big"))
    *one, least = _parts(left.totals)
    *other, most = _parts(right.totals)
    sums = [*(a + b for a, b in zip(one, other, strict=True)), max(least, most)]
    if any(part >= bound for part, bound in zip(sums, _BOUNDS, strict=True)):
        raise VerificationError("the totals of the cohort are out of range", fault=Party.EDGE_SERVER)
    count, total, squares, largest = sums
    totals = count << _COUNT | total << _SUM | squares << _SQUARES | largest
    return CohortNode(keccak(left.node + words[0] + right.node + words[1]), totals)


def _parts(totals: int) -> tuple[int, int, int, int]:
    """Clients, sum, sum of squares, largest."""
    return totals >> _COUNT, totals >> _SUM & 2**64 - 1, totals >> _SQUARES & 2**96 - 1, totals & 2**64 - 1
