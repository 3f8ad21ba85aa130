"""The reference round and the processes of a simulation agree bit for bit on a screened task."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from protocol.content.cid import CHUNK_BYTES, cid_of
from protocol.encryption.committee import draw_master_keys
from protocol.identifiers import ZERO_DIGEST
from protocol.incentives.rewards import first_allocation
from protocol.model.dataset import decode_labelled
from protocol.model.evaluation import count_correct
from protocol.model.layout import Layout
from protocol.randomness import SeededRandomness
from protocol.round.reference import FinishedRound, Household, run_round
from protocol.round.reference_screening import Past
from storage.content.interface import get_document
from tests.samples import private_key
from tests.simulation.phones import TASK, OneCoordinate, Phone
from tests.simulation.screened_world import AUTHORITIES, ScreenedWorld, screened_world
from tests.simulation.world import DOMAIN


def test_the_reference_round_equals_the_processes(tmp_path: Path) -> None:
    """Two rounds that only collect histories, one by their weights, and one by levels that their openings gave."""
    with screened_world(tmp_path, probation=2, rounds=4).closing() as world:
        world.phones[3].coordinate = world.phones[2].coordinate
        world.until(world.all_ended)
        _compare(world)


def _compare(world: ScreenedWorld) -> None:
    state, spec, store = world.reader().state, world.spec, world.store.objects
    layout = Layout.published(spec)
    model, label, best = spec.initial_model, ZERO_DIGEST, 0
    trained = layout.decode(get_document(store, model, layout.max_bytes))
    test_set = decode_labelled(get_document(store, spec.test_set, 10_000))
    best = count_correct(spec.model, trained.parameters, *test_set)
    allocation = first_allocation(TASK, {event.client: event.reputation for event in state.enrolled.values()})
    answering = {j: private_key("authority", j) for j in range(1, AUTHORITIES + 1)}
    households, past = [_household(world, phone) for phone in world.phones], Past.of(spec)
    finished = list[FinishedRound]()
    for facts in state.rounds:
        assert facts.screening is not None
        ours = run_round(
            spec, DOMAIN, TASK, facts.number, trained, model, label, allocation, households, answering, test_set,
            best, finished, _digest, past, facts.screening.beacon,
        )  # fmt: skip
        theirs, said = world.record(facts.number), ours.settlement.publication
        assert ours.plan.label() == facts.opened.label
        assert theirs.screening == world.evidence(facts.number).digest() == ours.settlement.record.screening
        assert ours.settlement.record == theirs, "openings, verdict, sums, model, money: all of it"
        assert (said is None) == (facts.requested is None) == (ours.request is None)
        if said is not None:
            assert ours.sums is not None and np.any(ours.sums)
            model, best = said.model, max(best, said.correct)
        finished.append(ours)
        trained, label, allocation = ours.trained, ours.plan.label(), ours.settlement.allocation
    assert [one.request is None for one in finished] == [True, True, False, False]
    assert min(entry.weight for entry in finished[3].plan.weights) == 0


def _household(world: ScreenedWorld, phone: Phone) -> Household:
    randomness = SeededRandomness(b"phone %d life 1" % phone.number)
    m, t = len(world.spec.committee.members), world.spec.committee.threshold
    return Household(
        private_key=private_key("client", phone.number),
        master_keys=draw_master_keys(randomness, m, t, f"task/{TASK}/enrolment"),
        trainer=OneCoordinate(phone.coordinate, phone.steps),
        randomness=randomness,
    )


def _digest(data: bytes, chunk_bytes: int | None = None) -> bytes:
    return cid_of(data, chunk_bytes or CHUNK_BYTES).digest
