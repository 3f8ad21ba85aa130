"""The sum that opens is the plain weighted sum, also when an authority lies."""

from __future__ import annotations

import numpy as np
import pytest

from backend.aggregation.aggregator import decrypt_sum
from backend.aggregation.verifier import verify_updates
from protocol.errors import EncryptionError
from protocol.model.layout import Layout
from protocol.round.publication import Aggregate
from tests.unit.backend.rounds.scene_round import CLIENTS, PlannedRound


def _open(scene: PlannedRound, partials: dict[int, bytes]) -> Aggregate:
    _, total = verify_updates(scene.store, scene.scheme, scene.committed, lambda _: None)
    parameters = np.zeros(Layout.of(scene.spec.model).dimension, dtype=np.float32)
    return decrypt_sum(scene.scheme, scene.request(), total, partials, scene.indices, parameters)


def _plain(scene: PlannedRound) -> list[int]:
    total = np.zeros(scene.plan.dimension, dtype=np.int64)
    for client in CLIENTS:
        total += scene.values[client] * (scene.plan.weight_of(client) or 0)
    return list(total)


@pytest.mark.parametrize("members", [(1, 2), (1, 3), (2, 3), (1, 2, 3)])
def test_any_quorum_opens_the_weighted_sum(members: tuple[int, ...]) -> None:
    scene = PlannedRound()
    aggregate = _open(scene, {j: scene.partial(j) for j in members})
    assert list(aggregate.decrypted.sums) == _plain(scene)
    assert aggregate.members == members
    assert np.count_nonzero(aggregate.parameters) <= scene.plan.dimension


def test_one_lying_authority_is_left_out() -> None:
    scene = PlannedRound()
    partials = {j: scene.partial(j) for j in (1, 2, 3)}
    lie = bytearray(partials[2])
    lie[0] ^= 1
    partials[2] = bytes(lie)
    aggregate = _open(scene, partials)
    assert aggregate.members == (1, 3)
    assert list(aggregate.decrypted.sums) == _plain(scene)


def test_too_few_or_only_lies_open_nothing() -> None:
    scene = PlannedRound()
    with pytest.raises(EncryptionError):
        _open(scene, {1: scene.partial(1)})
    with pytest.raises(EncryptionError):
        _open(scene, {1: scene.partial(1), 2: scene.partial(3)})
