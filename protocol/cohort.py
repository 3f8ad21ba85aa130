"""The cohort of a round as a Merkle sum tree: anybody can be shown a client's place and weight under the root on chain.

Leaves ascend by address. Every node carries what is below it: clients, sum of weights, sum of their squares, largest
weight. Where a level is odd, an empty node of zeros stands last. ``CohortTree`` of the contracts climbs the same tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eth_hash.auto import keccak

from protocol.errors import Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, to_hex
from protocol.merkle import leaf
from protocol.messages.round import ClientWeight, CohortNode, CohortPlace, CohortSum

LEAF_TAG: Final = keccak(b"HearthCohortLeaf(uint256 index,address client,uint256 weight)")
_EMPTY: Final = CohortNode(ZERO_DIGEST, 0)
_COUNT, _SUM, _SQUARES = 224, 160, 64  # where each part of the totals begins, in bits; the largest weight is below
_BOUNDS: Final = (2**32, 2**64, 2**96, 2**64)


def sum_of(weights: Sequence[ClientWeight]) -> CohortSum:
    """Root and totals over at least one client; ``weights`` ascend by address."""
    (top,) = _levels(weights)[-1]
    return CohortSum(top.node, *_parts(top.totals))


def place_of(weights: Sequence[ClientWeight], client: Address) -> CohortPlace:
    """Raises VerificationError when ``client`` is not planned."""
    for index, entry in enumerate(weights):
        if entry.client == client:
            siblings = [level[(index >> height) ^ 1] for height, level in enumerate(_levels(weights)[:-1])]
            return CohortPlace(index, entry.weight, tuple(siblings))
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
