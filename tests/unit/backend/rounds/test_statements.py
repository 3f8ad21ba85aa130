"""What an edge server signs of a round: once, durably, and only what is confirmed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.canonical import encode
from protocol.cohort import sum_of
from protocol.content.cid import cid_of
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import KeyRequested, RoundPublished
from protocol.messages.submission import Submission
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import commit_to
from protocol.task.documents import Delivered, Kind
from tests.unit.backend.rounds.scene_desk import DeskScene, refusal, told
from tests.unit.backend.rounds.scene_round import CLIENTS, SIGNERS


@pytest.fixture
def scene() -> DeskScene:
    return DeskScene()


def test_nothing_is_signed_of_a_round_before_it_is_confirmed() -> None:
    scene = DeskScene(confirmations=3)
    for head in (scene.opened.block, scene.opened.block + 2):
        scene.head = head
        assert scene.desk.next_round(0) is None
        assert refusal(scene.desk.statement, 1) == "E_STARTING"
        assert refusal(scene.desk.submit, 1, scene.round.submission(0)) == "E_STARTING"
    assert scene.journal.task(1).round(1).stated is None
    scene.head = scene.opened.block + 3
    assert scene.desk.submit(1, scene.round.submission(0)) is not None
    announced = scene.desk.next_round(0)
    assert announced is not None and announced.statement == scene.desk.statement(1)


def test_a_model_is_stated_once_it_is_confirmed() -> None:
    scene, model = DeskScene(confirmations=3), b"m" * 32
    published = told(
        RoundPublished, round=1, model=model, record=b"r" * 32, allocation_root=b"a" * 32, allocated=0, correct=0,
        examples=0,
    )  # fmt: skip
    scene.say(told(KeyRequested, round=1, request=b"k" * 32), replace(published, block=12))
    for head, stated in ((12, ZERO_DIGEST), (14, ZERO_DIGEST), (15, model)):
        scene.head = head
        assert scene.desk.statement(1).statement.model == stated


@pytest.mark.parametrize("restarted", [False, True])
def test_no_second_label_is_signed_when_the_chain_has_the_round_otherwise(scene: DeskScene, restarted: bool) -> None:
    """The judge would convict of it; phones still have the chain, and commit directly."""
    receipt = scene.desk.submit(1, scene.round.submission(0))
    assert receipt is not None and scene.desk.next_round(0) is not None
    fewer = scene.round.plan.weights[1:]
    plan = replace(scene.round.plan, weights=fewer, cohort=sum_of(fewer))
    others = [entry for entry in scene.entries if entry is not scene.opened and not isinstance(entry, Delivered)]
    spec = next(entry for entry in scene.entries if isinstance(entry, Delivered) and entry.wanted.kind is Kind.SPEC)
    scene.entries = []
    scene.opened = replace(scene.opened, plan=cid_of(encode(plan)).digest, label=plan.label())
    scene.desk = scene.make_desk() if restarted else scene.desk
    scene.say(*others, spec, scene.opened)
    scene.deliver(Kind.PLAN, encode(plan))
    for call in (scene.desk.next_round, scene.desk.statement):
        assert refusal(call, 0 if call == scene.desk.next_round else 1) == "E_LABEL_USED"
    scheme = RoundScheme.of(plan, scene.round.spec.committee)
    signed = commit_to(scheme, CLIENTS[1], bytes([1]) * 16, b"body", SIGNERS[1].sign)
    second = Submission(CLIENTS[1], bytes([1]) * 16, signed.commitment.ciphertext, signed.signature)
    assert refusal(scene.desk.submit, 1, second) == "E_LABEL_USED"
    assert scene.journal.close_batch(1, 1, plan.label()) == {}, "what was promised under the first label is not in it"
