"""How a round ends: with a step, with garbage or without a key; and who earns what by that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from protocol.content.cid import cid_of
from protocol.encryption.port import DecryptedSum
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, sha256
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import first_allocation
from protocol.messages.keys import KeyRequest, PartialKeyAnswer
from protocol.messages.settlement import ABANDONED, GARBAGE, PUBLISHED, Allocation, Verdict
from protocol.model.trained import TrainedModel
from protocol.round.averaging import Average
from protocol.round.key_request import answer_request, key_request
from protocol.round.publication import Aggregate, Garbage, Settlement, abandon, publish
from protocol.round.record import check_record
from tests.unit.protocol.task.told_task import CLIENTS, SIGNATURE, SUBSTITUTE, ToldTask

TOLD = ToldTask()
PLAN, SPEC, MEMBERS = TOLD.plans[0], TOLD.spec, TOLD.spec.committee.members
VERDICT = Verdict(PLAN.label(), tuple(CLIENTS[:2]), ())
REQUEST: KeyRequest = key_request(PLAN, TOLD.committed, CLIENTS[:2])
ANSWERS: dict[int, PartialKeyAnswer] = {
    j: answer_request(PLAN, REQUEST, MEMBERS[j - 1], b"share %d" % j, lambda *_: SIGNATURE) for j in (1, 2, 3)
}
BEFORE = first_allocation(1, dict.fromkeys(CLIENTS, 2))
PROGRESS, ROUNDS = Progress(1, 3, 4), {SPEC.learning.mechanism: 1}
SUMS = DecryptedSum(np.arange(PLAN.dimension, dtype=np.int64), 7)
STEPPED = Aggregate(SUMS, b"key", (1, 3), (2,), TrainedModel(TOLD.parameters + np.float32(2)))


def _ended(opened: Aggregate | Garbage) -> Settlement:
    return publish(SPEC, PLAN, VERDICT, REQUEST, (), ANSWERS, opened, BEFORE, PROGRESS, SUBSTITUTE, ROUNDS, Average())


def _earned(allocation: Allocation) -> dict[Address, int]:
    return {entry.client: entry.cumulative for entry in allocation.entitlements if entry.cumulative}


def test_a_step_pays_its_clients_the_server_that_published_and_the_authorities_that_made_its_key() -> None:
    settlement = _ended(STEPPED)
    record, rewards = settlement.record, SPEC.rewards
    assert (record.outcome, record.correct, record.max_residual) == (PUBLISHED, 3, 7)
    assert [key.statement.authority for key in record.keys] == [MEMBERS[0], MEMBERS[2]]
    earned = _earned(settlement.allocation)
    assert all(earned.pop(client) > rewards.participation for client in CLIENTS[:2])
    assert earned == {SUBSTITUTE: 70, MEMBERS[0]: 30, MEMBERS[2]: 30}
    check_record(record, PLAN.label(), True)


def test_garbage_is_published_with_the_model_that_stood_and_without_contribution() -> None:
    settlement = _ended(Garbage(b"key", (1, 2, 3)))
    record, publication = settlement.record, settlement.publication
    assert (record.outcome, record.aggregate, record.max_residual) == (GARBAGE, ZERO_DIGEST, 0)
    assert (record.functional_key, record.request) == (sha256(b"key"), REQUEST.digest())
    assert publication is not None
    assert record.model == publication.model == PLAN.model
    assert [key.statement.authority for key in record.keys] == list(MEMBERS)
    participation = dict.fromkeys(CLIENTS[:2], SPEC.rewards.participation)
    assert _earned(settlement.allocation) == participation | {SUBSTITUTE: 70} | dict.fromkeys(MEMBERS, 30)
    check_record(record, PLAN.label(), True)


@pytest.mark.parametrize("opened", [STEPPED, Garbage(b"key", (1, 2, 3))], ids=["step", "garbage"])
def test_what_is_named_is_in_content(opened: Aggregate | Garbage) -> None:
    settlement = _ended(opened)
    stored, record = {cid_of(document).digest for document in settlement.documents}, settlement.record
    named = {record.request, record.allocation, *(key.statement.residues for key in (*record.keys, *record.accused))}
    named |= {record.aggregate, record.model} if record.outcome == PUBLISHED else set()
    assert named <= stored


def test_without_a_request_there_are_no_fees_and_no_contribution() -> None:
    settlement = abandon(SPEC, PLAN, VERDICT, BEFORE, ROUNDS)
    assert (settlement.publication, settlement.record.outcome) == (None, ABANDONED)
    assert settlement.record.request == ZERO_DIGEST
    assert _earned(settlement.allocation) == dict.fromkeys(CLIENTS[:2], SPEC.rewards.participation)
    check_record(settlement.record, PLAN.label(), False)


def test_garbage_that_says_a_sum_is_refused() -> None:
    record = _ended(Garbage(b"key", (1, 2, 3))).record
    for wrong in (replace(record, aggregate=b"\1" * 32), replace(record, max_residual=1)):
        with pytest.raises(VerificationError, match="sum of garbage"):
            check_record(wrong, PLAN.label(), True)
    with pytest.raises(VerificationError, match="outcome"):
        check_record(record, PLAN.label(), False)
