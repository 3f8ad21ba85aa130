"""Sums of a server's rounds are made by its executor, and workers that lie about one cost a round time alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from unittest import mock

import numpy as np

from backend.aggregation.executor import InProcess
from backend.aggregation.fetching import Sleep
from backend.aggregation.group_sum import GroupSum
from backend.aggregation.verifier import VerifiedSum, verify_updates
from backend.rounds.performer import Performer
from protocol.encryption.port import PartialSum
from protocol.identifiers import Address
from protocol.messages.chain import RoundPublished
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.round.scheme import RoundScheme
from storage.content.interface import ContentStore
from tests.unit.backend.rounds import scene_server
from tests.unit.backend.rounds.scene_server import Scene


class Noted(InProcess):
    """Notes of which rounds it made sums."""

    def __init__(self) -> None:
        self.rounds: list[int] = []

    def verify_updates(
        self,
        store: ContentStore,
        scheme: RoundScheme,
        committed: Mapping[Address, SignedCommitment],
        sleep: Sleep,
        decided: Verdict | None = None,
    ) -> tuple[Verdict, VerifiedSum]:
        self.rounds.append(scheme.plan.round)
        return super().verify_updates(store, scheme, committed, sleep, decided)


class Lying(Noted):
    """Workers say of every sum that one word of it is another."""

    def verify_updates(
        self,
        store: ContentStore,
        scheme: RoundScheme,
        committed: Mapping[Address, SignedCommitment],
        sleep: Sleep,
        decided: Verdict | None = None,
    ) -> tuple[Verdict, VerifiedSum]:
        _, total = super().verify_updates(store, scheme, committed, sleep, decided)
        weights = {client: weight for client, weight in scheme.weights.items() if client in total.clients}
        words = total.words.copy()
        words[0] ^= np.uint64(1 << 60)
        partial = PartialSum(scheme.encoding, scheme.plan.dimension, words, tuple(weights.values()))
        begun = GroupSum.of(scheme.plan.suite, tuple(weights), partial, ())
        return verify_updates(store, scheme, committed, sleep, decided, begun)


def _played(executor: Noted) -> Scene:
    with mock.patch.object(scene_server, "Performer", partial(Performer, executor=executor)):
        scene = Scene()
        scene.start()
        scene.enrol()
        scene.submit(1)
        scene.ended(RoundPublished, 1)
    return scene


def test_a_round_is_summed_by_the_servers_executor() -> None:
    noted = Noted()
    _played(noted)
    assert noted.rounds == [1]


def test_a_sum_of_workers_that_does_not_open_is_made_again_without_them() -> None:
    scene = _played(lying := Lying())
    assert lying.rounds == [1]
    weights = [entry.weight for entry in scene.plan(1).weights]
    assert scene.sums(1)[:3] == weights
    assert not any(scene.sums(1)[3:])
