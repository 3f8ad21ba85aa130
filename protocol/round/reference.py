"""The whole protocol of one round, in memory, in one function: the front door for readers.

The processes do the same with a network between the lines; a test holds both to the same bits. Chain, content store,
trainer and randomness are arguments; nothing here is secret from the caller, and in the processes nobody sees it all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from protocol.canonical import encode
from protocol.domain import Domain
from protocol.encryption.committee import Subset, authority_share, ratchet
from protocol.identifiers import ZERO_DIGEST, Address, Digest, Label, Signature
from protocol.incentives.contribution import Progress
from protocol.messages.keys import KeyRequest, SignedSighting
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.model.evaluation import count_correct
from protocol.model.trained import TrainedModel
from protocol.randomness import Randomness
from protocol.round.adaptation import learning_of
from protocol.round.averaging import Average, average_of
from protocol.round.commitments import (
    batch_of,
    batch_root,
    committed_set,
    inclusion_proof_of,
    verify_batch,
    verify_inclusion,
)
from protocol.round.key_request import answer_request, check_quorum, key_request
from protocol.round.planning import choose_index_set, plan_round
from protocol.round.publication import Aggregate, Settlement, abandon, publish
from protocol.round.reference_screening import Made, Openings, Past
from protocol.round.scheme import RoundScheme
from protocol.round.screening_verdict import round_verdict
from protocol.round.sealing import commit_to, encrypt_update
from protocol.round.sightings import check_sightings, sighting
from protocol.round.stepping import Stepping
from protocol.round.training import Assignment, Trainer
from protocol.round.update import prepare_update
from protocol.screening.verdict import decide, judged_by_size
from protocol.signing import Signable, address_of, sign

Put = Callable[
    [bytes, int | None], Digest
]  # stores bytes (in chunks of so many, or the usual ones), gives their digest


@dataclass
class Household:
    """One client with everything that never leaves its phone."""

    private_key: bytes
    master_keys: Mapping[Subset, bytes]  # as enrolled
    trainer: Trainer
    randomness: Randomness

    @property
    def address(self) -> Address:
        return address_of(self.private_key)

    def sign(self, domain: Domain, commitment: Commitment) -> Signature:
        return sign(domain, commitment, self.private_key)


@dataclass(frozen=True)
class FinishedRound:
    """``request`` and ``sums``: None where the openings of a screened round accept nobody, and it is abandoned."""

    plan: RoundPlan
    bodies: Mapping[Address, bytes]
    request: KeyRequest | None
    sums: npt.NDArray[np.int64] | None
    trained: TrainedModel
    settlement: Settlement


def run_round(
    spec: TaskSpec,
    domain: Domain,
    task: int,
    round_number: int,
    before: TrainedModel,
    model: Digest,
    previous_label: Label,
    allocation: Allocation,
    households: Sequence[Household],
    answering: Mapping[int, bytes],
    test_set: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
    best: int,
    earlier: Sequence[FinishedRound],
    put: Put,
    past: Past | None = None,
    block: Digest = ZERO_DIGEST,
) -> FinishedRound:
    """One round, published unless its openings accept nobody. ``answering``: private keys of the key authorities
    (1..m) that answer. Raises when it would fail.

    ``model`` (the digest of ``before``), ``previous_label`` and ``allocation`` are those before the round, ``best``
    the most right answers on the ``test_set`` of any model so far, ``earlier`` all rounds before it; every household
    has enrolled and delivers. Of a screened task ``past`` is what its rounds so far left behind, and is changed by this
    one; ``block`` is the hash of the block that draws the sketch.
    """
    # Edge server: the plan, from public data alone. Its hash is the label, and the label goes on chain.
    reputations = {entry.client: entry.reputation for entry in allocation.entitlements}
    learning = learning_of(spec, before)
    levels = past.levels if past is not None else None
    plan = plan_round(spec, domain, task, round_number, reputations, model, previous_label, learning, levels)
    put(encode(plan), None)
    scheme = RoundScheme.of(plan, spec.committee)

    # Which coordinates everybody sends follows from the task and the round's number.
    sent = choose_index_set(spec, round_number)

    # Every client: make the update (protocol/round/update.py), encrypt, store, commit.
    bodies: dict[Address, bytes] = {}
    commitments: list[SignedCommitment] = []
    for household in households:
        update = prepare_update(
            household.trainer,
            Assignment(before.parameters, plan.learning, sent, household.randomness, scheme.label.hex()),
        )
        keys = ratchet(household.master_keys, plan.key_epoch)
        nonce, body = encrypt_update(scheme, update.values, keys, household.randomness)
        put(body, scheme.block_bytes)
        commitments.append(commit_to(scheme, household.address, nonce, body, household.sign))
        bodies[household.address] = body

    # Edge server: one Merkle root on chain for all commitments; every client gets a proof that it is in.
    batch = batch_of(commitments)
    verify_batch(plan, batch, lambda client: client)  # every household signs with its own key
    put(encode(batch), None)
    root = batch_root(batch)
    for signed in commitments:
        verify_inclusion(root, signed, inclusion_proof_of(batch, signed.commitment.client))

    # Edge server: the accepted set, then the request for exactly that set: first content, then its digest on chain.
    committed = committed_set(batch, directs=())
    findings = {client: judged_by_size(len(body), scheme.body_bytes) for client, body in bodies.items()}
    verdict, evidence = decide(scheme.label, findings), None
    rounds = Counter(one.learning.mechanism for one in (*(finished.plan for finished in earlier), plan))
    master_keys = {household.address: ratchet(household.master_keys, plan.key_epoch) for household in households}

    # Of a screened task: who is accepted follows from what the authorities open (reference_screening.py).
    if past is not None:
        openings = Openings(spec, domain, plan, master_keys, {client: bodies[client] for client in verdict.accepted})
        opened = openings.opened(committed, block, answering, past)
        openings.settle(opened, past)
        evidence = opened.evidence
        for document in (encode(opened.request), *opened.answers):
            put(document, None)
        unfit = {entry.client: entry.reason for entry in verdict.rejected}
        verdict = round_verdict(plan, unfit, evidence.verdict, verdict.accepted)
    if past is not None and not verdict.accepted:
        settlement = abandon(spec, plan, verdict, allocation, rounds, evidence)
        for document in settlement.documents:
            put(document, None)
        return FinishedRound(plan, bodies, None, None, before, settlement)
    request = key_request(plan, committed, verdict.accepted, evidence.digest() if evidence else ZERO_DIGEST)
    put(encode(request), None)
    weights = [entry.weight for entry in request.entries]
    check_quorum(weights, plan.min_clients, plan.max_share_ppm)

    # Key authorities: each signs, once, which request it sees under the label; a quorum must see the same.
    seen, sightings = partial(sighting, task, round_number, request.kind, request.label, request.digest()), []
    for private_key in answering.values():
        statement = seen(address_of(private_key))
        sightings.append(SignedSighting(statement, sign(domain, statement, private_key)))
    check_sightings(domain, spec.committee, seen, sightings)

    # Then each answers that request alone, with its share of the functional key.
    answers = {}
    for j, private_key in answering.items():
        entries = [(authority_share(master_keys[e.client], j), e.nonce, e.weight) for e in request.entries]
        residues, signer = scheme.partial_key(j, entries), partial(_signed, private_key)
        answers[j] = answer_request(plan, request, address_of(private_key), residues, signer)

    # Edge server (or anyone): the weighted sum, decrypted; one update is never seen. Then the model's step.
    aggregator = scheme.aggregator()
    aggregator.fold_all([bodies[entry.client] for entry in request.entries], weights)
    key = scheme.combine({j: answer.residues for j, answer in answers.items()})
    total = scheme.decrypt(aggregator.words, key, weights)
    stepped = Stepping(spec, plan, before, weights, lambda: test_set).after(total.sums)
    aggregate = Aggregate(total, key, tuple(answers), (), stepped)

    # Chain: model, record and allocation root; everyone can claim.
    progress = Progress(best, count_correct(spec.model, stepped.parameters, *test_set), len(test_set[1]))
    answered = (request, tuple(sightings), answers)
    settlement = publish(
        spec, plan, verdict, *answered, aggregate, allocation, progress, spec.edge_server, rounds,
        _average(spec, stepped, earlier), evidence,
    )  # fmt: skip
    if past is not None:
        past.made = Made(plan, total.sums, weights)
    for document in settlement.documents:
        put(document, None)
    return FinishedRound(plan, bodies, request, total.sums, stepped, settlement)


def _average(spec: TaskSpec, stepped: TrainedModel, earlier: Sequence[FinishedRound]) -> Average:
    most = spec.control.averaged_rounds
    published = [finished for finished in earlier if finished.request is not None]
    models = [stepped.parameters, *(finished.trained.parameters for finished in reversed(published))]
    return average_of(spec.model, models[:most]) if most else Average()


def _signed(private_key: bytes, domain: Domain, message: Signable) -> Signature:
    return sign(domain, message, private_key)
