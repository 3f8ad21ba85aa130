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
from protocol.model.step import apply_step
from protocol.screening.verdict import Unfit
from protocol.sparse.codec import encode_sums
from protocol.sparse.index_set import IndexSet
from protocol.task.past import Past
from tests.played_authorities import decrypt_sum
from tests.played_conduct import Conduct

if TYPE_CHECKING:
    from tests.played_task import Player


def publish(
    player: Player,
    number: int,
    conduct: Conduct,
    plan: RoundPlan,
    sent: IndexSet,
    request: KeyRequest,
    bodies: Mapping[Address, bytes | Unfit],
    record: RoundRecord,
) -> None:
    opened = decrypt_sum(player, plan, request, bodies, conduct)
    summed = opened.decrypted
    if summed is not None:
        weights = sum(entry.weight for entry in request.entries)
        stepped = apply_step(player.parameters, sent, summed.sums, weights, plan.learning)
        player.parameters = player.said("parameters", stepped)
    model = player.put(Layout.of(player.spec.model).to_safetensors(player.parameters))
    correct, examples = player.count()
    progress = Progress(player.best, correct, examples) if summed else None
    served = fees(player.spec, player.edge.sender, [key.statement.authority for key in opened.keys])
    allocation, root, allocated = player.settle(number, record.verdict, progress, served)
    player.best = max(player.best, correct)
    record = replace(
        record, outcome=PUBLISHED if summed else GARBAGE, sightings=opened.sightings, keys=opened.keys,
        accused=opened.accused, functional_key=sha256(opened.key), model=model,
        max_residual=summed.max_residual if summed else 0,
        aggregate=player.put(encode_sums(summed.sums)) if summed else ZERO_DIGEST, correct=correct,
        examples=examples, allocation=allocation,
    )  # fmt: skip
    record = player.said("record", record)
    publication = Publication(model, player.put(encode(record)), root, allocated, record.correct, record.examples)
    player.edge.publish_round(player.task, number, player.said("publication", publication))
    player.past = Past(model, plan.label())
