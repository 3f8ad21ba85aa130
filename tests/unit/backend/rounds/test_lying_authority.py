"""A key authority that signs a wrong partial key: noticed, named when that is possible, and kept as evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from backend.aggregation.aggregator import decrypt_sum
from backend.aggregation.verifier import verify_updates
from backend.rounds.committee_client import CommitteeClient
from protocol.canonical import decode, encode
from protocol.content.cid import cid_of
from protocol.errors import EncryptionError
from protocol.identifiers import to_hex
from protocol.messages.chain import RoundPublished
from protocol.messages.keys import PartialKeyAnswer, PartialKeyStatement, PlannedKeyRequest, SignedPartialKey
from protocol.messages.task import Committee
from storage.content.interface import get_document
from storage.ledger.signer import Signer
from tests.answering_server import Answer, Asked, answering
from tests.samples import DOMAIN, private_key, sample_spec
from tests.unit.backend.rounds.scene_committee import CLIENTS
from tests.unit.backend.rounds.scene_round import PlannedRound
from tests.unit.backend.rounds.scene_server import Scene

AUTHORITIES = [Signer(private_key("authority", j)) for j in (1, 2, 3, 4)]


def played(authorities: int) -> Scene:
    """A 2-of-m committee under a server, before anybody has enrolled."""
    scene = Scene(authorities)
    scene.committee.answering = set(range(1, authorities + 1))
    scene.start()
    return scene


@pytest.mark.parametrize(("authorities", "makers", "accused"), [(4, [0, 1, 3], [2]), (3, [0, 1], [])])
def test_the_round_ends_well_and_four_answers_name_the_liar(
    authorities: int, makers: list[int], accused: list[int]
) -> None:
    scene = played(authorities)
    scene.committee.lying = {3}
    scene.enrol()
    scene.submit(1)
    scene.ended(RoundPublished, 1)
    record = scene.record(1)
    assert [signed.statement.authority for signed in record.keys] == [AUTHORITIES[j].address for j in makers]
    assert [signed.statement.authority for signed in record.accused] == [AUTHORITIES[j].address for j in accused]
    for signed in record.accused:
        assert get_document(scene.store, signed.statement.residues, 2**20)


def test_a_client_whose_envelope_an_authority_refuses_is_never_planned() -> None:
    """The others hold its shares, and would be enough."""
    scene = played(3)
    scene.committee.refusing = {1: {CLIENTS[1].address}}
    scene.enrol()
    for number in (1, 2):
        scene.submit(number, (0, 2))
        scene.ended(RoundPublished, number)
        planned = [entry.client for entry in scene.plan(number).weights]
        assert planned == [CLIENTS[0].address, CLIENTS[2].address]
        scene.crash()
        scene.start()


@contextmanager
def authority_over_http(scene: PlannedRound, number: int, lies: bool) -> Iterator[str]:
    signer = AUTHORITIES[number - 1]

    def answer(asked: Asked) -> Answer:
        if not asked.body:
            return Answer(json.dumps({"address": to_hex(signer.address)}).encode())
        shown = decode(PlannedKeyRequest, asked.body)
        plan, residues = shown.plan, scene.partial(number)
        if lies:
            residues = residues[:-1] + bytes([residues[-1] ^ 1])
        statement = PartialKeyStatement(
            plan.task,
            plan.round,
            plan.label(),
            shown.request.digest(),
            signer.address,
            plan.key_epoch,
            cid_of(residues).digest,
        )
        signed = SignedPartialKey(statement, signer.sign(DOMAIN, statement))
        return Answer(encode(PartialKeyAnswer(signed, residues)))

    with answering(answer) as url:
        yield url


def test_over_real_http() -> None:
    members = tuple(signer.address for signer in AUTHORITIES)
    scene = PlannedRound(sample_spec(committee=Committee(2, members, 0)))
    with ExitStack() as stack:
        urls = [stack.enter_context(authority_over_http(scene, j, lies=j == 2)) for j in (1, 2, 3, 4)]
        client = CommitteeClient(tuple(urls), DOMAIN, Path("no-proofs"))
        stack.callback(client.close)
        found = client.partial_keys(scene.spec.committee, PlannedKeyRequest(scene.plan, scene.request(), ()))
    partials = {j: found[signer.address].residues for j, signer in enumerate(AUTHORITIES, start=1)}
    _, updates = verify_updates(scene.store, scene.scheme, scene.committed, lambda _: None)
    arguments = scene.scheme, scene.request(), updates
    aggregate = decrypt_sum(*arguments, partials, scene.step)
    assert (aggregate.members, aggregate.accused) == ((1, 3, 4), (2,))
    without = decrypt_sum(*arguments, {j: partials[j] for j in (1, 2, 3)}, scene.step)
    assert (without.members, without.accused) == ((1, 3), ())
    with pytest.raises(EncryptionError):
        decrypt_sum(*arguments, {j: partials[j] for j in (1, 2)}, scene.step)
