"""A round's scheme follows from its plan: suite, encoding, label and committee, from the sealed update to the sum."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.content.cid import cid_of
from protocol.encryption.committee import draw_master_keys, ratchet
from protocol.encryption.suite import FE64, PAD
from protocol.errors import EncryptionError
from protocol.messages.task import TaskSpec
from protocol.randomness import SeededRandomness
from protocol.round.commitments import verify_commitment
from protocol.round.scheme import RoundScheme, encoding_of
from protocol.round.sealing import commit_to, encrypt_update
from tests.samples import sample_spec, with_terms
from tests.unit.backend.rounds.scene_round import CLIENTS, SIGNERS, PlannedRound

every_suite = pytest.mark.parametrize(("name", "packing"), [(FE64, 1), (FE64, 2), (PAD, 6)])


def _spec(name: str, packing: int) -> TaskSpec:
    spec = sample_spec()
    return replace(spec, suite=name, learning=with_terms(spec.learning, packing=packing))


@every_suite
def test_sealed_updates_add_up_to_the_weighted_sum(name: str, packing: int) -> None:
    scene = PlannedRound(_spec(name, packing))
    scheme, running = scene.scheme, scene.scheme.aggregator()
    for number, signer in enumerate(SIGNERS):
        nonce, body = encrypt_update(
            scheme, scene.values[signer.address], scene.keys[signer.address], SeededRandomness(bytes([number]))
        )
        assert len(body) == scheme.body_bytes <= scheme.max_fetched_bytes
        scene.committed[signer.address] = commit_to(scheme, signer.address, nonce, body, signer.sign)
        running.fold(body, scene.plan.weight_of(signer.address) or 0)
    partials = {j: scene.partial(j) for j in (1, 3)}
    assert {len(partial) for partial in partials.values()} == {scheme.key_bytes}
    entries = scene.request().entries
    decrypted = scheme.decrypt(running.words, scheme.combine(partials), [entry.weight for entry in entries])
    expected = [sum(entry.weight * int(scene.values[entry.client][i]) for entry in entries) for i in range(9)]
    assert decrypted.sums[:9].tolist() == expected


def test_a_commitment_is_to_the_content_digest_under_the_plan() -> None:
    scene = PlannedRound()
    body = b"any bytes"
    signed = commit_to(scene.scheme, CLIENTS[0], bytes(16), body, SIGNERS[0].sign)
    verify_commitment(scene.plan, signed, lambda client: client)
    assert signed.commitment.ciphertext == cid_of(body, scene.scheme.block_bytes).digest


def test_every_round_and_client_draws_its_own_nonce_and_noise() -> None:
    """Even from one seed: what is drawn is named after the label."""
    scene, seed = PlannedRound(), SeededRandomness(b"one phone")
    later = RoundScheme.of(replace(scene.plan, round=2, key_epoch=2), scene.spec.committee)
    values, keys = scene.values[CLIENTS[0]], scene.keys[CLIENTS[0]]
    first, second = (encrypt_update(scheme, values, keys, seed) for scheme in (scene.scheme, later))
    assert first[0] != second[0]
    assert first == encrypt_update(scene.scheme, values, keys, seed)
    assert first[1] != encrypt_update(scene.scheme, values, keys, SeededRandomness(b"another"))[1]


def test_the_label_and_committee_are_the_plans_and_the_tasks() -> None:
    scene = PlannedRound()
    assert scene.scheme.label == scene.plan.label()
    assert (scene.scheme.m, scene.scheme.t) == (3, 2)
    keys = draw_master_keys(SeededRandomness(b"keys"), 3, 2, "keys")
    moved = scene.scheme.encrypt(ratchet(keys, 1), bytes(16), scene.values[CLIENTS[0]], bytes(32))
    assert moved != scene.scheme.encrypt(keys, bytes(16), scene.values[CLIENTS[0]], bytes(32))


@pytest.mark.parametrize(("name", "packing"), [("FE64-A/2", 2), (FE64, 5), (PAD, 2)])
def test_what_no_suite_offers_is_refused(name: str, packing: int) -> None:
    spec, plan = _spec(name, packing), PlannedRound().plan
    changed = replace(plan, suite=name, learning=spec.learning)
    for refused in (lambda: encoding_of(spec), lambda: RoundScheme.of(changed, spec.committee)):
        with pytest.raises(EncryptionError) as caught:
            refused()
        assert caught.value.code == "E_PARAMS"
