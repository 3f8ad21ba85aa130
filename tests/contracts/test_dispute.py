"""dispute, and what the judge finds.

given a round that runs, or whose payout can still be disputed
    when a breach is proven, by anyone
        should freeze the round, void its tree, end the culprit's role, and share its bond between reporter and escrow
        should pay nobody anything at once, so that no payee and no token can stop it
        should leave the tree before it claimable, and let the next round be opened and settled
    when the payout could be claimed already, or the round ended unpaid
        should refuse
given two signed statements of an edge server
    when labels or models differ in one round
        should convict it
    when they agree, are of different rounds, or one is not signed by it
        should refuse
given two signed partial keys of an authority
    when request or residues differ under one label
        should convict it
given a signed receipt
    when no batch came in time, or the neighbours in the batch show that its client is missing
        should convict the server
    when the client is in the batch, leaves are not neighbours, or the batch may still come
        should refuse
given a batch
    when a leaf is badly signed, of another round, or an outsider's, or two are out of order
        should convict the server whose batch it is
    when all is well
        should refuse
"""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from protocol import merkle
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import BondForfeited, Credited, RoundFrozen
from protocol.messages.keys import PartialKeyStatement, SightingStatement, SignedPartialKey, SignedSighting
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.submission import Commitment, CommitmentBatch, Receipt, SignedCommitment
from protocol.round.commitments import batch_leaves
from protocol.round.state_table import RoundState
from protocol.signing import struct_hash
from storage.ledger import proofs
from storage.ledger.ethereum.calls import encode_proof
from storage.ledger.signer import Signer
from tests.contracts.ledger import Refusal
from tests.contracts.scene import BATCH, CIPHERTEXT, NONCE, REWARD, ROOT, Scene, label_of
from tests.samples import private_key

BOND, WINDOW = 501, 100
AUTHORITY = Signer(private_key("authority", 1))


@pytest.fixture
def opened(deployed: Scene) -> Scene:
    """Round 1 is open; edge servers and authorities have placed bonds."""
    ledger = deployed.ledger
    servers = (ledger.edge.address, ledger.substitute.address)
    deployed.post(edge_servers=servers, edge_bond=BOND, authority_bond=BOND, dispute_seconds=WINDOW)
    for holder in (*servers, *deployed.terms.authorities):
        deployed.by(ledger.stranger, "placeBond", 1, holder, value=BOND)
    deployed.enrol(*deployed.clients)
    deployed.open()
    return deployed


def statements(scene: Scene, signer: Signer | None = None, **changes: Any) -> bytes:
    """By default two labels of round 1, signed by the edge server."""
    edge = scene.ledger.edge
    one = RoundStatement(1, 1, label_of(1), ZERO_DIGEST)
    other = replace(one, **(changes or {"label": label_of(9)}))
    domain = scene.ledger.domain
    signed = SignedRoundStatement(other, (signer or edge).sign(domain, other))
    return proofs.two_statements(edge.address, SignedRoundStatement(one, edge.sign(domain, one)), signed)


def refusal(scene: Scene, proof: bytes) -> Refusal:
    return scene.ledger.refusal(scene.ledger.stranger, "dispute", proof)


def convict(scene: Scene, proof: bytes, culprit: bytes) -> None:
    ledger = scene.ledger
    before = ledger.task_view(1)
    frozen, forfeited, credited = scene.by(ledger.stranger, "dispute", proof).events
    assert [type(event) for event in (frozen, forfeited, credited)] == [RoundFrozen, BondForfeited, Credited]
    assert isinstance(frozen, RoundFrozen)
    assert (frozen.round, frozen.culprit) == (1, culprit)
    view = ledger.task_view(1)
    assert (view.escrow, view.deposits) == (before.escrow + BOND - BOND // 2, before.deposits - BOND + BOND // 2)
    assert ledger.view("creditOf", 1, ledger.stranger.address) == BOND // 2
    assert ledger.round_view(1, 1).state is RoundState.FROZEN
    assert ledger.view("bondOf", 1, culprit)[0] == 0
    assert ledger.balance(ledger.address) == view.escrow + view.deposits


def test_should_freeze_a_running_round(opened: Scene) -> None:
    ledger = opened.ledger
    convict(opened, statements(opened), ledger.edge.address)
    assert refusal(opened, statements(opened)) == ("NotAccused", ledger.edge.address)
    expected = ("NotEdgeServer", ledger.edge.address, ledger.edge.address)
    assert opened.edge_refusal("commitBatch", 1, BATCH, BATCH, 3) == expected


def test_should_void_the_payout_and_go_on(opened: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, client = opened.ledger, opened.clients[0]
    opened.request()
    opened.publish()
    opened.pass_window()
    before = opened.claim_call(client)
    opened.open(2)
    opened.request(2)
    opened.publish(2)
    void = opened.claim_call(client)
    one = RoundStatement(1, 2, label_of(2), b"\x01" * 32)
    both = (one, replace(one, model=b"\x02" * 32))
    signed = [SignedRoundStatement(said, ledger.edge.sign(ledger.domain, said)) for said in both]
    opened.by(ledger.stranger, "dispute", proofs.two_statements(ledger.edge.address, *signed))
    shown = ledger.task_view(1)
    assert (shown.pending_round, shown.payable(ledger.now)[1]) == (0, 3 * REWARD)
    assert (shown.payable_from, shown.pending_root, shown.pending_allocated) == (0, ZERO_DIGEST, 0)
    ledger.pass_to(ledger.now + WINDOW)
    assert ledger.refusal(ledger.stranger, "claim", *void) == ("ProofInvalid", 1, client.address)
    opened.by(ledger.stranger, "claim", *before)
    monkeypatch.setattr(ledger, "edge", ledger.substitute)
    ledger.pass_to(
        ledger.round_view(1, 2).settle_until + opened.terms.roster_seconds + opened.terms.takeover_seconds + 1
    )
    opened.earned = dict.fromkeys(opened.earned, REWARD)
    opened.open(3)
    opened.request(3)
    opened.publish(3)
    opened.pass_window()
    opened.claim_many(*opened.clients)
    assert [ledger.balance(one.address) for one in opened.clients] == [2 * REWARD] * 3
    opened.by(ledger.stranger, "refund", 1)
    assert ledger.task_view(1).escrow == 0


def test_should_come_too_late(opened: Scene) -> None:
    opened.request()
    opened.publish()
    opened.pass_window()
    assert refusal(opened, statements(opened)) == ("RoundUnexpected", 1, 1, RoundState.PUBLISHED)


@pytest.mark.parametrize(
    "changes",
    [{"label": label_of(1)}, {"round": 2, "label": label_of(2)}, {"task": 2, "label": label_of(2)}, {"model": BATCH}],
)
def test_should_refuse_statements_without_conflict(opened: Scene, changes: dict[str, Any]) -> None:
    assert refusal(opened, statements(opened, **changes)) == ("NoConflict",)


def test_should_refuse_statements_of_somebody_else(opened: Scene) -> None:
    ledger = opened.ledger
    assert refusal(opened, statements(opened, signer=ledger.stranger)) == ("SignatureInvalid", ledger.edge.address)
    one = RoundStatement(1, 1, label_of(1), ZERO_DIGEST)
    other = replace(one, label=label_of(9))
    for accused in (ledger.stranger, ledger.substitute, AUTHORITY):  # the substitute is not acting
        signed = [SignedRoundStatement(said, accused.sign(ledger.domain, said)) for said in (one, other)]
        proof = proofs.two_statements(accused.address, *signed)
        assert refusal(opened, proof) == ("NotAccused", accused.address)


def keys(scene: Scene, **changes: Any) -> bytes:
    one = PartialKeyStatement(1, 1, label_of(1), b"\x01" * 32, AUTHORITY.address, 0, b"\x02" * 32)
    both = (one, replace(one, **changes))
    return proofs.two_keys(*(SignedPartialKey(said, AUTHORITY.sign(scene.ledger.domain, said)) for said in both))


@pytest.mark.parametrize("field", ["request", "residues"])
def test_should_convict_an_authority_of_a_second_key(opened: Scene, field: str) -> None:
    assert refusal(opened, keys(opened)) == ("NoConflict",)
    assert refusal(opened, keys(opened, label=label_of(2), **{field: BATCH})) == ("NoConflict",)
    convict(opened, keys(opened, **{field: BATCH}), AUTHORITY.address)


def sightings(scene: Scene, **changes: Any) -> bytes:
    one = SightingStatement(1, 1, b"\x01" * 32, label_of(1), b"\x02" * 32, AUTHORITY.address)
    both = (one, replace(one, **changes))
    return proofs.two_sightings(*(SignedSighting(said, AUTHORITY.sign(scene.ledger.domain, said)) for said in both))


@pytest.mark.parametrize("change", [{}, {"label": label_of(2)}, {"kind": BATCH}, {"round": 2}, {"task": 2}])
def test_should_convict_an_authority_of_a_second_sighting(opened: Scene, change: dict[str, Any]) -> None:
    """Of one kind under one label; whatever else differs is another place."""
    if change:
        assert refusal(opened, sightings(opened, digest=BATCH, **change)) == ("NoConflict",)
    assert refusal(opened, sightings(opened)) == ("NoConflict",)
    convict(opened, sightings(opened, digest=BATCH), AUTHORITY.address)


def test_should_refuse_sightings_of_somebody_else(opened: Scene) -> None:
    ledger, one = opened.ledger, SightingStatement(1, 1, BATCH, label_of(1), b"\x02" * 32, AUTHORITY.address)
    for accused in (AUTHORITY, ledger.edge):
        both = [replace(one, authority=accused.address, digest=digest) for digest in (one.digest, BATCH)]
        forged = [SignedSighting(said, ledger.stranger.sign(ledger.domain, said)) for said in both]
        name = "SignatureInvalid" if accused is AUTHORITY else "NotAccused"
        assert refusal(opened, proofs.two_sightings(*forged)) == (name, accused.address)


def signed(scene: Scene, client: Signer, signer: Signer | None = None, **changes: Any) -> SignedCommitment:
    commitment = replace(Commitment(1, 1, client.address, label_of(1), NONCE, CIPHERTEXT), **changes)
    return SignedCommitment(commitment, (signer or client).sign(scene.ledger.domain, commitment))


def batch(scene: Scene, *commitments: SignedCommitment) -> CommitmentBatch:
    made = CommitmentBatch(commitments)
    scene.pass_training()
    scene.by_edge("commitBatch", 1, merkle.root(batch_leaves(made)), BATCH, len(commitments))
    return made


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


@pytest.mark.parametrize("twice", [True, False])
def test_should_convict_of_a_batch_out_of_order(opened: Scene, twice: bool) -> None:
    first, second, third = opened.clients
    made = batch(opened, signed(opened, second), signed(opened, second if twice else first), signed(opened, third))
    edge = opened.ledger.edge.address
    for low, high in ((1, 0), (0, 0), (1, 2)):
        assert refusal(opened, proofs.disorder(1, 1, edge, made, low, high)) == ("NoConflict",)
    convict(opened, proofs.disorder(1, 1, edge, made, 0, 1), edge)


def test_should_take_nothing_but_proofs(opened: Scene) -> None:
    unknown = encode_proof("twoStatements", bytes(20), (9, 1, BATCH, BATCH), b"", (9, 1, ROOT, BATCH), b"")
    # which of the two is missed first is up to the compiler
    assert refusal(opened, unknown) in (("NotAccused", bytes(20)), ("TaskUnknown", 9))
    for proof in (b"", bytes(4), statements(opened)[:-100]):
        assert refusal(opened, proof) in (("FailedCall",), ("Unknown", b""))
    assert opened.ledger.round_view(1, 1).state is RoundState.OPEN
