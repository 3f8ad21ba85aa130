"""What the judge finds in a round's batch.

given a signed receipt
    when no batch came in time, or the neighbours in the batch show that its client is missing
        should convict the server
    when the client is in the batch, leaves are not neighbours, or the batch may still come
        should refuse
given a batch
    when a leaf is badly signed, of another round, an outsider's or of nobody whom the round planned, or two are out of
    order
        should convict the server whose batch it is
    when all is well
        should refuse
"""

from __future__ import annotations

from dataclasses import astuple

import pytest

from protocol import merkle
from protocol.cohort import place_of, sum_of
from protocol.messages.round import ClientWeight
from protocol.messages.submission import CommitmentBatch, Receipt
from protocol.round.commitments import batch_leaves
from protocol.signing import struct_hash
from storage.ledger import proofs
from storage.ledger.ethereum.calls import encode_proof
from storage.ledger.signer import Signer
from tests.contracts.accusations import convict, refusal
from tests.contracts.bonded import bonded, signed
from tests.contracts.bonded import commit as batch
from tests.contracts.scene import PLAN, Scene, label_of
from tests.samples import cohort_of


@pytest.fixture
def opened(deployed: Scene) -> Scene:
    bonded(deployed).open()
    return deployed


def leaf(made: CommitmentBatch, index: int) -> tuple[object, ...]:
    entry = made.commitments[index]
    return index, astuple(entry.commitment), entry.signature, merkle.proof(batch_leaves(made), index)


def receipt(scene: Scene, client: Signer, *around: tuple[object, ...], server: Signer | None = None) -> bytes:
    promised, edge = signed(scene, client).commitment, server or scene.ledger.edge
    statement = Receipt(1, 1, label_of(1), struct_hash(promised))
    signature = edge.sign(scene.ledger.domain, statement)
    return encode_proof("receiptIgnored", edge.address, astuple(promised), signature, list(around))


def test_should_convict_of_a_receipt_without_a_batch(opened: Scene) -> None:
    proof, until = receipt(opened, opened.clients[0]), opened.ledger.round_view(1, 1).commit_until
    opened.ledger.pass_to(until)
    assert refusal(opened, proof) == ("TooEarly", until)
    opened.ledger.pass_to(until + 1)
    assert refusal(opened, receipt(opened, opened.clients[0], server=opened.ledger.substitute))[0] == "NotAccused"
    convict(opened, proof, opened.ledger.edge.address)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_should_convict_of_a_receipt_without_inclusion(opened: Scene, missing: int) -> None:
    """First, in the middle, last: one or two neighbours show it."""
    clients = opened.clients
    made = batch(opened, *(signed(opened, one) for one in clients if one is not clients[missing]))
    around = {0: [0], 1: [0, 1], 2: [1]}[missing]
    for wrong in [[], [0, 1, 1], *([[1], [0, 1]] if missing == 0 else [[1, 0], [0]])]:
        assert refusal(opened, receipt(opened, clients[missing], *(leaf(made, i) for i in wrong))) == ("NoConflict",)
    for present in {0, 1, 2} - {missing}:
        for shown in ([0], [1], [0, 1]):
            assert refusal(opened, receipt(opened, clients[present], *(leaf(made, i) for i in shown))) == (
                "NoConflict",
            )
    forged = (7, *leaf(made, 0)[1:])
    assert refusal(opened, receipt(opened, clients[missing], forged)) == ("NotInBatch", 7)
    proof = receipt(opened, clients[missing], *(leaf(made, i) for i in around))
    edge, promised = opened.ledger.edge, signed(opened, clients[missing]).commitment
    signature = edge.sign(opened.ledger.domain, Receipt(1, 1, label_of(1), struct_hash(promised)))
    assert proofs.receipt_ignored(edge.address, promised, signature, made) == proof
    convict(opened, proof, edge.address)


@pytest.mark.parametrize("fault", ["signature", "label", "round", "task", "outsider", "none"])
def test_should_convict_of_a_bad_leaf(opened: Scene, fault: str) -> None:
    first, second, _ = opened.clients
    bad = {
        "signature": lambda: signed(opened, first, signer=second),
        "label": lambda: signed(opened, first, label=label_of(2)),
        "round": lambda: signed(opened, first, round=2),
        "task": lambda: signed(opened, first, task=2),
        "outsider": lambda: signed(opened, opened.outsider),
        "none": lambda: signed(opened, first),
    }[fault]()
    made, edge = batch(opened, bad, signed(opened, second)), opened.ledger.edge.address
    assert refusal(opened, proofs.bad_leaf(1, 1, edge, made, 1)) == ("NoConflict",)
    substitute = opened.ledger.substitute.address
    assert refusal(opened, proofs.bad_leaf(1, 1, substitute, made, 0)) == ("NotAccused", substitute)
    proof = proofs.bad_leaf(1, 1, edge, made, 0)
    if fault == "none":
        assert refusal(opened, proof) == ("NoConflict",)
    else:
        convict(opened, proof, edge)


def _open_with_a_named_signer(scene: Scene) -> None:
    """A round of everybody; the first client's enrolment names the stranger's key."""
    scene.post(edge_servers=(scene.ledger.edge.address,))
    message, signature = scene.enrolment(scene.clients[0], signer=scene.ledger.stranger.address)
    scene.by(scene.ledger.stranger, "enrol", [message], [signature])
    scene.enrol(*scene.clients[1:])
    scene.open()


def test_should_take_the_named_signer_for_the_client(deployed: Scene) -> None:
    """Its commitment is signed by the key that its enrolment named, and by no other one."""
    scene, ledger = deployed, deployed.ledger
    first, second, _ = scene.clients
    _open_with_a_named_signer(scene)
    edge = ledger.edge.address
    made = batch(scene, signed(scene, first, signer=ledger.stranger), signed(scene, second))
    assert refusal(scene, proofs.bad_leaf(1, 1, edge, made, 0)) == ("NoConflict",)
    own = CommitmentBatch((signed(scene, first), signed(scene, second)))
    assert refusal(scene, proofs.bad_leaf(1, 1, edge, own, 0)) == ("NotInBatch", 0)


def test_should_convict_of_a_leaf_that_its_client_signed_with_another_key(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    first, second, _ = scene.clients
    _open_with_a_named_signer(scene)
    made = batch(scene, signed(scene, first), signed(scene, second))
    scene.by(ledger.stranger, "dispute", proofs.bad_leaf(1, 1, ledger.edge.address, made, 0))
    assert ledger.view("bondOf", 1, ledger.edge.address)[0] == 0


@pytest.mark.parametrize("planned", [[0, 1], [1, 2], [0, 2]])
def test_should_convict_of_a_leaf_that_was_not_planned(deployed: Scene, planned: list[int]) -> None:
    """The last, the first, and one between two others of those who are enrolled."""
    scene, ledger = bonded(deployed), deployed.ledger
    edge, clients = ledger.edge.address, scene.clients
    weights = cohort_of(clients[place].address for place in planned)
    scene.pass_rosters()
    scene.by_edge("openRound", 1, PLAN, label_of(1), sum_of(weights).root, 2)
    (missing,) = {0, 1, 2} - set(planned)
    made = batch(scene, signed(scene, clients[planned[0]]), signed(scene, clients[missing]))
    for index, place in ((0, planned[0]), (1, missing)):
        proof = proofs.unplanned_leaf(1, 1, edge, made, index, weights)
        if place in planned:
            assert refusal(scene, proof) == ("NoConflict",)
    substitute = ledger.substitute.address
    assert refusal(scene, proofs.unplanned_leaf(1, 1, substitute, made, 1, weights)) == ("NotAccused", substitute)
    for wrong in spoiled(made, weights, edge):
        assert refusal(scene, wrong) == ("NoConflict",)
    other = CommitmentBatch((signed(scene, clients[missing], label=label_of(9)),))
    assert refusal(scene, proofs.unplanned_leaf(1, 1, edge, other, 0, weights)) == ("NotInBatch", 0)
    convict(scene, proofs.unplanned_leaf(1, 1, edge, made, 1, weights), edge)


def spoiled(made: CommitmentBatch, weights: tuple[ClientWeight, ...], edge: bytes) -> list[bytes]:
    """Neighbours that show nothing: none, too many, of another tree, and each of two alone."""
    places = [(entry.client, astuple(place_of(weights, entry.client))) for entry in weights]
    elsewhere = cohort_of([entry.client for entry in weights], weight=3)
    others = [(entry.client, astuple(place_of(elsewhere, entry.client))) for entry in elsewhere]
    client = made.commitments[1].commitment.client
    shown = [[], [*places, *places], others, places[::-1]]
    between = weights[0].client < client < weights[1].client
    shown += [[place] for place in places] if between else [places]
    return [encode_proof("unplannedLeaf", 1, 1, edge, leaf(made, 1), around) for around in shown]


@pytest.mark.parametrize("twice", [True, False])
def test_should_convict_of_a_batch_out_of_order(opened: Scene, twice: bool) -> None:
    first, second, third = opened.clients
    made = batch(opened, signed(opened, second), signed(opened, second if twice else first), signed(opened, third))
    edge = opened.ledger.edge.address
    for low, high in ((1, 0), (0, 0), (1, 2)):
        assert refusal(opened, proofs.disorder(1, 1, edge, made, low, high)) == ("NoConflict",)
    convict(opened, proofs.disorder(1, 1, edge, made, 0, 1), edge)
