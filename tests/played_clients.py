"""The clients of a played task: they enrol, and deliver as their conduct has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.canonical import encode
from protocol.cohort import place_of
from protocol.content.cid import cid_of
from protocol.encryption.committee import draw_master_keys, ratchet
from protocol.encryption.envelope import seal_envelope
from protocol.identifiers import Address, sha256
from protocol.incentives.rewards import (
    admit,
)
from protocol.messages.round import RoundPlan
from protocol.messages.submission import (
    Enrolment,
    SignedCommitment,
    SignedEnrolment,
)
from protocol.randomness import SeededRandomness
from protocol.round.commitments import batch_of, batch_root, committed_set
from protocol.round.reference import Household
from protocol.round.sealing import commit_to, encrypt_update
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.round.windows import enrolment_window
from protocol.screening.verdict import Unfit
from protocol.signing import sign
from protocol.sparse.index_set import IndexSet
from tests.played_conduct import Conduct
from tests.samples import private_key
from tests.tiny_task import TinyTrainer, sealed_to
from tests.voucher_keys import KEYS, voucher_of

if TYPE_CHECKING:
    from tests.played_task import Player


def household(player: Player, number: int) -> Household:
    committee, randomness = player.spec.committee, SeededRandomness(b"household %d" % number)
    keys = draw_master_keys(randomness, len(committee.members), committee.threshold, f"task/{player.task}/enrolment")
    return Household(private_key("client", number), keys, TinyTrainer(), randomness)


def enrol(player: Player, *numbers: int) -> None:
    committee, view, signed = player.spec.committee, player.reader.task(player.task), []
    window, stake = enrolment_window(view.last_round, player.spec.cohort.roster_rounds), player.spec.deposits.client
    for it in (player.households[number] for number in numbers):
        client, m = it.address, len(committee.members)
        scope = (player.domain.prefix(), player.task, window, client, sealed_to(m), committee.threshold)
        envelope = player.put(encode(seal_envelope(it.master_keys, *scope, it.randomness)))
        until = (view.claim_until, player.now() + 24 * 3600)
        enrolment = Enrolment(player.task, view.spec, client, client, envelope, stake, *until)
        voucher = voucher_of(KEYS[0], player.domain, player.task, client) if player.spec.vouchers.needed else b""
        signed.append(SignedEnrolment(enrolment, sign(player.domain, enrolment, it.private_key), voucher))
    stakes = player.pay(player.edge, len(signed) * stake) if stake else 0
    player.edge.enrol(signed, stakes, player.spec.vouchers.modulus)
    new = {one.enrolment.client for one in signed}
    player.allocation = admit(
        player.allocation, {client: player.reader.enrolment(player.task, client).reputation for client in new}
    )


def commit_phase(
    player: Player, number: int, conduct: Conduct, plan: RoundPlan, sent: IndexSet
) -> tuple[dict[Address, SignedCommitment], dict[Address, bytes | Unfit]]:
    batched, direct, bodies = [], [], {}
    for client, household in enumerate(player.households):
        if client in conduct.silent or plan.weight_of(household.address) is None:
            continue
        signed, found = deliver(player, number, conduct, plan, sent, client)
        bodies[household.address] = found
        if client in (*conduct.direct, *conduct.twice):
            direct.append(signed)
        if client not in conduct.direct:
            batched.append(signed)
    batch = player.said("batch", batch_of(batched if conduct.batched else ()))
    player.delivered[number] = (plan, batch)
    if batch.commitments:
        root = player.said("root", batch_root(batch))
        player.chain.pass_time(2 * player.spec.schedule.training_seconds)
        player.edge.commit_batch(player.task, number, root, player.put(encode(batch)), len(batch.commitments))
    for signed in direct:
        player.edge.commit_direct(signed, place_of(plan.weights, signed.commitment.client))
    missing = len(batch.commitments) + len(direct) < len(plan.weights)
    player.chain.pass_time(plan.commit_seconds + 1 if missing else player.spec.durations.objection_seconds + 1)
    committed = committed_set(batch, direct)
    return {client: signed for client, signed in committed.items() if client in bodies}, bodies


def deliver(
    player: Player, number: int, conduct: Conduct, plan: RoundPlan, sent: IndexSet, client: int
) -> tuple[SignedCommitment, bytes | Unfit]:
    """One client's signed commitment, and what the store then has of its ciphertext."""
    household, scheme = player.households[client], player.scheme(plan)
    update = prepare_update(
        household.trainer,
        Assignment(player.trained.parameters, plan.learning, sent, household.randomness, scheme.label.hex()),
    )
    keys = ratchet(household.master_keys, plan.key_epoch)
    if client in conduct.garbled:
        keys = {subset: sha256(key) for subset, key in keys.items()}
    nonce, body = encrypt_update(scheme, update.values, keys, household.randomness)
    if client in conduct.malformed:
        body = body[:-8]
    found: bytes | Unfit = body
    if client in conduct.unavailable:
        found = Unfit.UNAVAILABLE
    elif client in conduct.corrupt:
        found = Unfit.CORRUPT
        player.store.objects[cid_of(body, scheme.block_bytes).text] = body[:-1] + bytes([body[-1] ^ 1])
    else:
        player.put(body, scheme.block_bytes)
    return commit_to(scheme, household.address, nonce, body, household.sign), found
