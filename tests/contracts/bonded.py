"""A task with bonds, fees and both parts of a reward, and batches whose leaves can be proven."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from protocol import merkle
from protocol.messages.submission import BatchLeaf, Commitment, CommitmentBatch, SignedCommitment
from protocol.round.commitments import batch_leaf_of, batch_leaves
from storage.ledger.ethereum.calls import batch_leaf_values
from storage.ledger.signer import Signer
from tests.contracts.ledger import Outcome, Refusal
from tests.contracts.scene import BATCH, CIPHERTEXT, NONCE, REQUEST, Scene, label_of

PARTICIPATION, CONTRIBUTION, EDGE_FEE, AUTHORITY_FEE = 400, 600, 50, 20
EDGE_BOND, AUTHORITY_BOND, WINDOW = 2_501, 71, 100
PAID: Final[dict[str, Any]] = {
    "participation": PARTICIPATION,
    "contribution": CONTRIBUTION,
    "edge_fee": EDGE_FEE,
    "authority_fee": AUTHORITY_FEE,
    "edge_bond": EDGE_BOND,
    "authority_bond": AUTHORITY_BOND,
    "dispute_seconds": WINDOW,
}
NO_LEAF: Final = (0, (0, 0, bytes(20), bytes(32), bytes(16), bytes(32)), b"", ())


def bonded(scene: Scene, **changes: Any) -> Scene:
    """Two edge servers; all bonds are placed and the scene's clients enrolled."""
    servers = (scene.ledger.edge.address, scene.ledger.substitute.address)
    scene.post(**{"edge_servers": servers, **PAID, **changes})
    place_bonds(scene)
    scene.enrol(*scene.clients)
    return scene


def place_bonds(scene: Scene) -> None:
    terms = scene.terms
    for holders, amount in ((terms.edge_servers, terms.edge_bond), (terms.authorities, terms.authority_bond)):
        for holder in holders:
            scene.by(scene.ledger.stranger, "placeBond", scene.task, holder, value=amount)


def signed(scene: Scene, client: Signer, signer: Signer | None = None, **changes: Any) -> SignedCommitment:
    """Of round 1."""
    commitment = replace(Commitment(scene.task, 1, client.address, label_of(1), NONCE, CIPHERTEXT), **changes)
    return SignedCommitment(commitment, (signer or client).sign(scene.ledger.domain, commitment))


def commit(scene: Scene, *commitments: SignedCommitment) -> CommitmentBatch:
    """As the batch of round 1."""
    made = CommitmentBatch(commitments)
    scene.pass_training()
    scene.by_edge("commitBatch", 1, merkle.root(batch_leaves(made)), BATCH, len(commitments))
    return made


def commit_all(scene: Scene) -> CommitmentBatch:
    return commit(scene, *(signed(scene, client) for client in scene.clients))


def request(scene: Scene) -> None:
    """The key of round 1, when it may be."""
    shown = scene.ledger.round_view(scene.task, 1)
    everyone = shown.batched + shown.direct >= shown.cohort
    scene.pass_after(shown.object_until if everyone else shown.commit_until)
    scene.by_edge("requestKey", 1, REQUEST)


def expire(scene: Scene) -> Outcome:
    scene.pass_after(scene.ledger.round_view(scene.task, 1).settle_until)
    return scene.by(scene.ledger.stranger, "expireRound", scene.task, 1)


def compensation_call(
    scene: Scene, client: Signer, batch: CommitmentBatch | None, **changes: Any
) -> tuple[object, ...]:
    """``batch`` None: the client committed directly. ``changes`` are those of its leaf."""
    leaf: BatchLeaf | None = None
    if batch is not None:
        leaf = replace(batch_leaf_of(batch, client.address), **changes)
    values = NO_LEAF if leaf is None else batch_leaf_values(leaf)
    return scene.task, 1, client.address, scene.place(client), values


def compensate(scene: Scene, client: Signer, batch: CommitmentBatch | None) -> Outcome:
    return scene.by(scene.ledger.stranger, "compensate", *compensation_call(scene, client, batch))


def refusal(scene: Scene, name: str, *arguments: object, value: int = 0) -> Refusal:
    """Of a stranger."""
    return scene.ledger.refusal(scene.ledger.stranger, name, *arguments, value=value)
