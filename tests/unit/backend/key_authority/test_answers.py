"""Functional keys: every refusal by its code, and one answer per label whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocol.canonical import decode
from protocol.content.cid import cid_of
from protocol.encryption.committee import authority_share, ratchet
from protocol.errors import HearthError, Party
from protocol.identifiers import sha256
from protocol.messages.keys import SUM, KeyRequest, PartialKeyAnswer
from protocol.messages.round import ClientWeight, RoundPlan
from protocol.messages.submission import Commitment
from protocol.round.scheme import RoundScheme
from protocol.round.state_table import RoundState
from protocol.signing import address_of, sign, verify
from storage.ledger.interface import LedgerError
from tests.samples import DOMAIN, client_address, private_key, with_terms
from tests.unit.backend.key_authority.scene import (
    CLIENTS,
    TASK,
    Scene,
    authority_signer,
    entry,
    envelope,
    master_keys,
    plan,
    request,
    spec,
)


def test_two_answers_open_the_weighted_sum_of_real_ciphertexts(tmp_path: Path) -> None:
    agreed = plan()
    scheme = RoundScheme.of(agreed, spec().committee)
    values = {client: np.arange(11, dtype=np.int64) * (i + 1) - 9 for i, client in enumerate(CLIENTS)}
    aggregator, shown = scheme.aggregator(), request(agreed)
    for part in shown.entries:
        keys = ratchet(master_keys(part.client), 1)
        body = scheme.encrypt(keys, part.nonce, values[part.client], bytes(32))
        aggregator.fold(body, part.weight)
    partials = {}
    for j in (1, 3):
        scene = Scene(tmp_path / str(j), j)
        scene.prepare()
        partials[j] = decode(PartialKeyAnswer, scene.ask_recorded(agreed, shown)).residues
        scene.records.close()
    decrypted = scheme.decrypt(aggregator.words, scheme.combine(partials), [2, 3, 4])
    expected = sum(part.weight * values[part.client] for part in shown.entries)
    assert decrypted.sums.tolist() == np.asarray(expected).tolist()


def test_the_answer_is_signed_over_request_and_residues(scene: Scene) -> None:
    agreed = plan()
    shown = request(agreed)
    answer = decode(PartialKeyAnswer, scene.ask_recorded(agreed, shown))
    statement, signer = answer.signed.statement, authority_signer(1).address
    verify(DOMAIN, statement, answer.signed.signature, signer, Party.KEY_AUTHORITY)
    assert statement.authority == signer
    assert (statement.task, statement.round, statement.key_epoch) == (agreed.task, 1, 1)
    assert (statement.label, statement.request) == (agreed.label(), shown.digest())
    assert statement.residues == cid_of(answer.residues).digest
    own = [(authority_share(ratchet(master_keys(e.client), 1), 1), e.nonce, e.weight) for e in shown.entries]
    assert answer.residues == RoundScheme.of(agreed, spec().committee).partial_key(1, own)


def refused(scene: Scene, code: str, under: RoundPlan, shown: KeyRequest, number: int = 1) -> HearthError:
    with pytest.raises(HearthError) as caught:
        scene.ask(under, shown, number)
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize("state", [RoundState.NONE, RoundState.OPEN])
def test_a_round_without_a_request_on_chain_gets_nothing(scene: Scene, state: RoundState) -> None:
    agreed = plan()
    scene.ledger.record(request(agreed), state=state)
    refused(scene, "E_NOT_RECORDED", agreed, request(agreed))


def test_a_digest_that_is_not_on_chain_is_refused_and_burns_nothing(scene: Scene) -> None:
    agreed = plan()
    scene.ledger.record(request(agreed))
    refused(scene, "E_NOT_RECORDED", agreed, request(agreed, CLIENTS[:2]))
    refused(scene, "E_NOT_RECORDED", agreed, request(agreed, CLIENTS[:1]))
    assert decode(PartialKeyAnswer, scene.ask(agreed, request(agreed)))


def test_a_label_that_is_not_the_rounds_is_refused(scene: Scene) -> None:
    agreed = plan()
    shown = request(agreed)
    scene.ledger.record(shown)
    recorded = scene.ledger.rounds[agreed.task, 1]
    scene.ledger.rounds[agreed.task, 1] = replace(recorded, label=sha256(b"another plan"))
    refused(scene, "E_NOT_RECORDED", agreed, shown)


def test_the_chain_is_read_behind_the_tasks_confirmations(scene: Scene) -> None:
    scene.ask_recorded(plan(), request(plan()))
    assert scene.ledger.confirmations_asked == [3]


def test_a_chain_that_is_away_is_no_answer(scene: Scene) -> None:
    agreed = plan()
    scene.ask_recorded(agreed, request(agreed))
    scene.ledger.down = True
    with pytest.raises(LedgerError):
        scene.ask(agreed, request(agreed))


_STRANGER = client_address(9)
_PLANS: dict[str, tuple[str, Callable[[], RoundPlan]]] = {
    "suite": ("E_PARAMS", lambda: plan(suite="PAD/9")),
    "encoding": ("E_PARAMS", lambda: plan(learning=with_terms(spec().learning, bits=28))),
    "epoch": ("E_EPOCH", lambda: plan(key_epoch=2)),
    "round": ("E_VERIFICATION", lambda: plan(2)),
    "chain": ("E_VERIFICATION", lambda: plan(chain_id=1)),
    "quorum": ("E_VERIFICATION", lambda: plan(min_clients=1)),
    "share": ("E_VERIFICATION", lambda: plan(max_share_ppm=1_000_000)),
    "dimension": ("E_VERIFICATION", lambda: plan(dimension=2**32 - 1)),
    "learning": ("E_VERIFICATION", lambda: plan(learning=with_terms(spec().learning, noise_multiplier_micro=0))),
    "weights twice": ("E_MALFORMED", lambda: plan(weights=(ClientWeight(CLIENTS[0], 2),) * 2)),
}


@pytest.mark.parametrize("name", list(_PLANS))
def test_a_plan_that_is_not_the_tasks_is_refused_even_on_chain(scene: Scene, name: str) -> None:
    code, make = _PLANS[name]
    under = make()
    shown = request(under)
    scene.ledger.record(shown)
    refused(scene, code, under, shown)


@pytest.mark.parametrize("change", [{"cohort_root": b"\1" * 32}, {"cohort": 4}], ids=lambda change: "".join(change))
def test_a_cohort_on_chain_that_is_not_the_plans_is_refused(scene: Scene, change: dict[str, Any]) -> None:
    """Against that root nobody could prove its place: not to commit, and not to be paid."""
    shown = request(plan())
    scene.ledger.record(shown)
    scene.ledger.rounds[TASK, 1] = replace(scene.ledger.rounds[TASK, 1], **change)
    refused(scene, "E_VERIFICATION", plan(), shown)


def test_a_request_under_another_plans_label_is_refused(scene: Scene) -> None:
    shown = request(plan())
    scene.ledger.record(shown)
    refused(scene, "E_PARAMS", plan(dimension=12), shown)


@pytest.mark.parametrize("state", [RoundState.ABANDONED, RoundState.EXPIRED])
def test_a_round_that_is_over_gets_no_new_answer(scene: Scene, state: RoundState) -> None:
    scene.ledger.record(request(plan()), state=state)
    refused(scene, "E_EXPIRED", plan(), request(plan()))


def test_after_the_settle_deadline_only_what_was_answered_is_answered(scene: Scene) -> None:
    first = scene.ask_recorded(plan(), request(plan()))
    scene.ledger.record(request(plan(2)), 2)
    scene.ledger.clock = 2_001
    assert scene.ask(plan(), request(plan())) == first
    refused(scene, "E_EXPIRED", plan(2), request(plan(2)), 2)
    scene.ledger.record(request(plan(2)), 2, RoundState.PUBLISHED)
    assert scene.ask(plan(2), request(plan(2)), 2)


def test_what_3_8_refuses_is_refused_here_and_leaves_no_trace(scene: Scene) -> None:
    agreed = plan()
    forged = KeyRequest(
        agreed.label(), SUM, (*request(agreed, CLIENTS[:2]).entries, entry(agreed, CLIENTS[2], nonce=bytes(16)))
    )
    lone = request(agreed, CLIENTS[:1])
    before = (scene.folder / "journal").read_bytes()
    for code, shown in (("E_BAD_SIG", forged), ("E_MIN_PARTICIPANTS", lone)):
        scene.ledger.record(shown)
        refused(scene, code, agreed, shown)
    assert (scene.folder / "journal").read_bytes() == before


def test_commitments_are_signed_by_whom_the_enrolment_named(empty: Scene) -> None:
    """Of a contract, or of a client that keeps its own key elsewhere."""
    named = address_of(private_key("signer"))
    empty.prepare(CLIENTS[:2])
    empty.ledger.enrol(CLIENTS[2], signer=named)
    empty.authority.accept_client(TASK, CLIENTS[2], envelope(CLIENTS[2]))
    agreed = plan()
    own, part = request(agreed), request(agreed).entries[2]
    empty.ledger.record(own)
    refused(empty, "E_BAD_SIG", agreed, own)
    commitment = Commitment(agreed.task, agreed.round, part.client, agreed.label(), part.nonce, part.ciphertext)
    signed = replace(part, signature=sign(DOMAIN, commitment, private_key("signer")))
    assert empty.ask_recorded(agreed, replace(own, entries=(*own.entries[:2], signed)))


def test_a_task_that_was_never_shown_is_not_found(empty: Scene) -> None:
    empty.ledger.post(spec())
    agreed = plan()
    with pytest.raises(HearthError) as caught:
        empty.ask_recorded(agreed, request(agreed))
    assert caught.value.code == "E_NOT_FOUND"
    empty.prepare()
    empty.restart()
    assert empty.ask(agreed, request(agreed))


def test_an_authority_that_missed_an_enrolment_names_it(empty: Scene) -> None:
    empty.prepare()
    empty.records.close()
    lines = (empty.folder / "journal").read_bytes().splitlines(keepends=True)
    (empty.folder / "journal").write_bytes(b"".join(lines[:-1]))
    empty.restart()
    empty.ledger.record(request(plan()))
    refused(empty, "E_SHARE_MISSING", plan(), request(plan()))
    empty.authority.accept_client(plan().task, CLIENTS[-1], envelope(CLIENTS[-1]))
    assert empty.ask(plan(), request(plan()))


def test_one_label_has_one_answer_even_when_the_chain_changes_its_mind(scene: Scene) -> None:
    agreed = plan()
    first = scene.ask_recorded(agreed, request(agreed))
    assert scene.ask(agreed, request(agreed)) == first
    for _ in range(2):
        scene.ledger.record(request(agreed, CLIENTS[1:]))
        refused(scene, "E_EPOCH", agreed, request(agreed, CLIENTS[1:]))
        scene.restart()
    scene.ledger.record(request(agreed))
    assert scene.ask(agreed, request(agreed)) == first


def test_a_damaged_answer_or_share_is_an_error_of_its_own(scene: Scene) -> None:
    agreed = plan()
    scene.ask_recorded(agreed, request(agreed))
    (kept,) = (scene.folder / "journal.files").glob(f"answer-{agreed.label().hex()}-sum.*")
    kept.write_bytes(kept.read_bytes()[:-1] + b" ")
    assert refused(scene, "E_RECORDS_DAMAGED", agreed, request(agreed)).fault is Party.OURS
    share = next((scene.folder / "journal.files").glob("share-*"))
    share.write_bytes(bytes(len(share.read_bytes())))
    scene.ledger.record(request(plan(2)), 2)
    refused(scene, "E_RECORDS_DAMAGED", plan(2), request(plan(2)), 2)


def test_of_several_violations_the_first_in_order_is_named(scene: Scene) -> None:
    """Every case violates whatever is checked later, too."""
    strange = {"weights": (*plan(1).weights[:2], ClientWeight(client_address(9), 255))}
    cases = [
        ("E_NOT_RECORDED", plan(1, suite="PAD/9", key_epoch=0, **strange), False),
        ("E_PARAMS", plan(1, suite="PAD/9", key_epoch=0, **strange), True),
        ("E_EPOCH", plan(1, key_epoch=0), True),
        ("E_EXPIRED", plan(), True),
    ]
    for code, under, recorded in cases:
        doubled = KeyRequest(under.label(), SUM, (*request(under, CLIENTS[:1]).entries,) * 2)
        scene.ledger.record(doubled if recorded else request(under, CLIENTS[:1]), state=RoundState.EXPIRED)
        refused(scene, code, under, doubled)
    scene.ledger.record(doubled)
    refused(scene, "E_DUP_CLIENT", plan(), doubled)
    assert scene.ask_recorded(plan(), request(plan()))  # nothing was burnt
