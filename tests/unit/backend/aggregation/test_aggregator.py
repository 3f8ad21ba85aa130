"""The decrypted sum is the plain weighted sum, also when an authority lies."""

from __future__ import annotations

import numpy as np
import pytest

from backend.aggregation.aggregator import decrypt_sum
from backend.aggregation.verifier import verify_updates
from protocol.errors import EncryptionError, Party
from protocol.round.publication import Aggregate
from tests.unit.backend.rounds.scene_round import CLIENTS, PlannedRound


def _decrypt(scene: PlannedRound, partials: dict[int, bytes]) -> Aggregate:
    _, total = verify_updates(scene.store, scene.scheme, scene.committed, lambda _: None)
    step = scene.step
    return decrypt_sum(scene.scheme, scene.request(), total, partials, step)


def _plain(scene: PlannedRound) -> list[int]:
    total = np.zeros(scene.plan.dimension, dtype=np.int64)
    for client in CLIENTS:
        total += scene.values[client] * (scene.plan.weight_of(client) or 0)
    return list(total)


@pytest.mark.parametrize("members", [(1, 2), (1, 3), (2, 3), (1, 2, 3)])
def test_any_quorum_decrypts_the_weighted_sum(members: tuple[int, ...]) -> None:
    scene = PlannedRound()
    aggregate = _decrypt(scene, {j: scene.partial(j) for j in members})
    assert list(aggregate.decrypted.sums) == _plain(scene)
    assert aggregate.members == members
    assert np.count_nonzero(aggregate.model.parameters) <= scene.plan.dimension


def test_one_lying_authority_is_left_out() -> None:
    scene = PlannedRound()
    partials = {j: scene.partial(j) for j in (1, 2, 3)}
    lie = bytearray(partials[2])
    lie[0] ^= 1
    partials[2] = bytes(lie)
    aggregate = _decrypt(scene, partials)
    assert aggregate.members == (1, 3)
    assert list(aggregate.decrypted.sums) == _plain(scene)


def test_the_sum_of_others_than_the_requested_is_not_decrypted() -> None:
    """Whatever keys there are: no authority is to blame."""
    scene = PlannedRound()
    request, partials = scene.request(), {j: scene.partial(j) for j in (1, 2, 3)}
    del scene.committed[CLIENTS[0]]
    _, total = verify_updates(scene.store, scene.scheme, scene.committed, lambda _: None)
    step = scene.step
    with pytest.raises(EncryptionError) as caught:
        decrypt_sum(scene.scheme, request, total, partials, step)
    assert (caught.value.code, caught.value.fault) == ("E_UNAVAILABLE", Party.OURS)


def test_too_few_or_only_lies_decrypt_nothing() -> None:
    scene = PlannedRound()
    with pytest.raises(EncryptionError):
        _decrypt(scene, {1: scene.partial(1)})
    with pytest.raises(EncryptionError):
        _decrypt(scene, {1: scene.partial(1), 2: scene.partial(3)})
