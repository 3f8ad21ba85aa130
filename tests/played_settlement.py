"""How a round of a played task is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.canonical import encode
from protocol.identifiers import ZERO_DIGEST, Address, sha256
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import (
    fees,
)
from protocol.messages.chain import Publication
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import GARBAGE, PUBLISHED, RoundRecord
from protocol.model.layout import Layout
from protocol.round.averaging import Average, average_of
from protocol.round.stepping import Stepping
from protocol.screening.verdict import Unfit
from protocol.sparse.codec import encode_sums
from protocol.task.past import Past
from tests.played_authorities import decrypt_sum
from tests.played_conduct import Conduct
from tests.tiny_task import tiny_test_set

if TYPE_CHECKING:
    from tests.played_task import Player


def publish(
    player: Player,
    number: int,
    conduct: Conduct,
    plan: RoundPlan,
    request: KeyRequest,
    bodies: Mapping[Address, bytes | Unfit],
    record: RoundRecord,
) -> None:
    opened = decrypt_sum(player, plan, request, bodies, conduct)
    summed = opened.decrypted
    if summed is not None:
        weights = [entry.weight for entry in request.entries]
        stepped = Stepping(player.spec, plan, player.trained, weights, tiny_test_set).after(summed.sums)
        player.trained = player.said("model", stepped)
        player.models.insert(0, player.trained.parameters)
    model = player.put(Layout.published(player.spec).encode(player.trained))
    correct, examples = player.count()
    progress = Progress(player.best, correct, examples) if summed else None
    served = fees(player.spec, player.edge.sender, [key.statement.authority for key in opened.keys])
    allocation, root, allocated = player.settle(number, record.verdict, progress, served)
    player.best = max(player.best, correct)
    most = player.spec.control.averaged_rounds if summed else 0
    average = player.said("average", average_of(player.spec.model, player.models[:most]) if most else Average())
    if average.rounds:
        player.put(average.document)
    record = replace(
        record, outcome=PUBLISHED if summed else GARBAGE, sightings=opened.sightings, keys=opened.keys,
        accused=opened.accused, functional_key=sha256(opened.key), model=model,
        max_residual=summed.max_residual if summed else 0,
        aggregate=player.put(encode_sums(summed.sums)) if summed else ZERO_DIGEST, correct=correct,
        examples=examples, allocation=allocation, averaged=average.digest, averaged_rounds=average.rounds,
    )  # fmt: skip
    record = player.said("record", record)
    publication = Publication(model, player.put(encode(record)), root, allocated, record.correct, record.examples)
    player.edge.publish_round(player.task, number, player.said("publication", publication))
    player.past = Past(model, plan.label())
