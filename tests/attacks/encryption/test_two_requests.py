"""Mistake 6: one key per round by a threshold alone. Two quorums see two requests; the difference is one update.

Authority 2 of 3 works with the server and answers anything; 1 and 3 are honest, and t = 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from protocol.canonical import decode, encode
from protocol.encryption.committee import Subset, authority_share, ratchet
from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import Address
from protocol.messages.keys import KeyRequest, PartialKeyAnswer, PlannedKeyRequest, SignedSighting
from protocol.round.scheme import RoundScheme
from tests.unit.backend.key_authority.scene import CLIENTS, TASK, Scene, master_keys, plan, request, seen, spec

PLAN = plan()
SCHEME = RoundScheme.of(PLAN, spec().committee)
POSITION = {member: j for j, member in enumerate(spec().committee.members, start=1)}
VICTIM = CLIENTS[1]
UPDATES = {client: np.arange(11, dtype=np.int64) * (i + 3) - 30 for i, client in enumerate(CLIENTS)}
EVERYBODY, WITHOUT_VICTIM = request(PLAN), request(PLAN, tuple(client for client in CLIENTS if client != VICTIM))
Authority = Callable[[KeyRequest], bytes]


def round_keys(client: Address) -> dict[Subset, bytes]:
    return ratchet(master_keys(client), PLAN.key_epoch)


def colluding(j: int) -> Authority:
    """Its shares are real, and it answers whatever it is asked."""

    def answer(shown: KeyRequest) -> bytes:
        held = [(authority_share(round_keys(e.client), j), e.nonce, e.weight) for e in shown.entries]
        return SCHEME.partial_key(j, held)

    return answer


def naive(j: int) -> Authority:
    """Honest, with a log of its own and nothing else: one answer for each label, to the first request it sees."""
    answered: dict[bytes, bytes] = {}

    def answer(shown: KeyRequest) -> bytes:
        if answered.setdefault(shown.label, shown.digest()) != shown.digest():
            raise EncryptionError("the label was used", code="E_LABEL_USED")
        return colluding(j)(shown)

    return answer


def decrypted(shown: KeyRequest, partials: dict[int, bytes]) -> npt.NDArray[np.int64]:
    running = SCHEME.aggregator()
    for entry in shown.entries:
        keys = round_keys(entry.client)
        running.fold(SCHEME.encrypt(keys, entry.nonce, UPDATES[entry.client], entry.client[:1] * 32), entry.weight)
    weights = [entry.weight for entry in shown.entries]
    return SCHEME.decrypt(running.words, SCHEME.combine(partials), weights).sums


def attack(first: Authority, third: Authority) -> npt.NDArray[np.int64]:
    """The victim's update, from a sum with it and a sum without it under one label."""
    second = colluding(2)
    with_victim = decrypted(EVERYBODY, {1: first(EVERYBODY), 2: second(EVERYBODY)})
    without = decrypted(WITHOUT_VICTIM, {3: third(WITHOUT_VICTIM), 2: second(WITHOUT_VICTIM)})
    difference: npt.NDArray[np.int64] = (with_victim - without) // (PLAN.weight_of(VICTIM) or 1)
    return difference


@pytest.fixture
def committee(tmp_path: Path) -> Iterator[dict[int, Scene]]:
    """The two honest authorities, each with its own records, both reading one chain."""
    scenes = {j: Scene(tmp_path / str(j), j) for j in (1, 3)}
    for scene in scenes.values():
        scene.prepare()
        scene.ledger.record(EVERYBODY)
    yield scenes
    for scene in scenes.values():
        scene.records.close()


def _ours(scene: Scene) -> Authority:
    return lambda shown: decode(PartialKeyAnswer, scene.ask(PLAN, shown)).residues


def test_with_a_log_for_each_authority_the_victims_update_is_read() -> None:
    assert attack(naive(1), naive(3)).tolist() == UPDATES[VICTIM].tolist()


def test_ours_answers_only_the_digest_on_chain(committee: dict[int, Scene]) -> None:
    with pytest.raises(HearthError) as caught:
        attack(_ours(committee[1]), _ours(committee[3]))
    assert caught.value.code == "E_NOT_RECORDED"
    key = {j: _ours(committee[j])(EVERYBODY) for j in committee}  # and the honest request is not hurt by the attempt
    expected = sum((entry.weight * UPDATES[entry.client] for entry in EVERYBODY.entries), np.zeros(11, np.int64))
    assert decrypted(EVERYBODY, key).tolist() == expected.tolist()


def test_a_chain_that_changes_its_mind_finds_the_keys_erased(committee: dict[int, Scene]) -> None:
    """Even when the second digest is shown as recorded later: who answered has moved on to the next round's keys."""
    for scene in committee.values():
        scene.ask(PLAN, EVERYBODY)
        scene.ledger.record(WITHOUT_VICTIM)
        with pytest.raises(EncryptionError, match="E_EPOCH"):
            scene.ask(PLAN, WITHOUT_VICTIM)


def test_two_views_of_the_chain_and_one_corrupt_authority_give_no_key(tmp_path: Path) -> None:
    """Each honest authority reads another request on its chain, the corrupt one signs both: three see neither."""
    views, sides = {1: EVERYBODY, 3: WITHOUT_VICTIM}, {}
    for j, shown in views.items():
        side = sides[j] = Scene(tmp_path / str(j), j)
        side.prepare()
        side.ledger.record(shown)
        assert decode(SignedSighting, side.authority.sight(TASK, 1, encode(shown))) == seen(shown, j)
    corrupt = {j: seen(shown, 2) for j, shown in views.items()}
    for j, shown in views.items():
        own, foreign = seen(shown, j), seen(views[4 - j], 4 - j)
        for sightings in ((own, corrupt[j]), (own, corrupt[j], foreign), (own, corrupt[j], own)):
            ordered = tuple(sorted(sightings, key=lambda signed: POSITION[signed.statement.authority]))
            with pytest.raises(EncryptionError, match="E_SIGHTINGS"):
                sides[j].authority.answer(TASK, 1, encode(PlannedKeyRequest(PLAN, shown, ordered)))
    sides[3].ledger.record(EVERYBODY)
    with pytest.raises(EncryptionError, match="E_SIGHTED"):  # nor does it help to show one chain to both later
        sides[3].authority.sight(TASK, 1, encode(EVERYBODY))
    for side in sides.values():
        side.records.close()
