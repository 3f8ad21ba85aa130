"""Control from public numbers at two servers: one is killed, documents are lost, nobody opens a round too many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protocol.content.cid import cid_of
from protocol.identifiers import Digest
from protocol.messages.chain import RoundOpened, RoundPublished
from protocol.messages.learning import ServerTerms
from protocol.messages.submission import Leave, SignedLeave
from protocol.messages.task import ControlTerms
from protocol.model.layout import Layout
from protocol.model.step import apply_step
from protocol.model.trained import TrainedModel
from protocol.round.adaptation import learning_of
from protocol.round.averaging import average_of
from protocol.round.planning import choose_index_set
from storage.content.interface import get_document
from tests.ports.reference_chain import DOMAIN
from tests.samples import sample_spec, with_terms
from tests.unit.backend.rounds.scene_committee import CLIENTS
from tests.unit.backend.rounds.scene_server import Scene
from tests.unit.backend.rounds.scene_takeover import SUBSTITUTE, Pair

ADAM = ServerTerms("adam", rate_micro=50_000, momentum_micro=900_000, second_moment_micro=990_000)
ALL = ControlTerms(max_local_steps=5, phi_micro=2**40, averaged_rounds=2)


def _pair() -> Pair:
    learning = replace(with_terms(sample_spec().learning, local_steps=2), server=ADAM)
    return Pair(rounds=3, learning=learning, control=ALL)


def _published(pair: Pair, number: int) -> TrainedModel:
    event = pair.second.ended_as(number)
    assert isinstance(event, RoundPublished)
    return Layout.published(pair.first.spec).decode(_content(pair, event.model))


def _content(pair: Pair, digest: Digest) -> bytes:
    return next(data for data in pair.first.store.objects.values() if cid_of(data).digest == digest)


def _lose(pair: Pair, *digests: Digest) -> None:
    objects = pair.first.store.objects
    for name in [name for name, data in objects.items() if cid_of(data).digest in digests]:
        del objects[name]


def test_a_substitute_goes_on_with_memory_steps_and_averages() -> None:
    pair = _pair()
    first, second = pair.first, pair.second
    first.enrol()
    first.committee.answering = set()
    first.submit(1)
    first.until(lambda: first.facts(1).requested)
    first.crash()
    first.committee.answering = {1, 3}
    pair.pass_takeover(first.facts(1).opened.commit_until)
    second.ended(RoundPublished, 1)
    second.submit(2)
    second.ended(RoundPublished, 2)
    models = [_published(pair, number) for number in (1, 2)]
    assert all(memory.any() for memory in models[1].memory)
    assert not any((one == two).all() for one, two in zip(models[0].memory, models[1].memory, strict=True))
    assert [second.plan(number).learning for number in (1, 2)] == [
        first.spec.learning, learning_of(first.spec, models[0])
    ]  # fmt: skip
    record = second.record(2)
    averaged = average_of(first.spec.model, [model.parameters for model in reversed(models)])
    assert (record.averaged, record.averaged_rounds) == (averaged.digest, 2)
    assert _content(pair, record.averaged) == averaged.document
    steps = sorted(second.plan(number).learning.mechanism.local_steps for number in (1, 2))
    assert steps[0] < steps[1], "else the charge could count one kind of round alone"
    parts = [part.mechanism.local_steps for part in record.charge.parts for _ in range(part.rounds)]
    assert sorted(parts) == steps


def test_a_server_that_starts_again_has_lost_nothing_of_its_optimiser() -> None:
    """Its models are those of one that never read a model and kept all that it remembers."""
    scene = Scene(learning=replace(sample_spec().learning, server=ADAM))
    scene.start()
    scene.enrol()
    layout, parameters = Layout.published(scene.spec), get_document(scene.store, scene.spec.initial_model, 2**20)
    model = TrainedModel(layout.from_safetensors(parameters))
    for number in (1, 2):
        scene.submit(number)
        scene.ended(RoundPublished, number)
        plan, sums = scene.plan(number), np.array(scene.sums(number))
        sent, weights = choose_index_set(scene.spec, number), sum(entry.weight for entry in plan.weights)
        model = apply_step(model, sent, sums, weights, plan.learning)
        published = scene.ended_as(number)
        assert isinstance(published, RoundPublished)
        assert get_document(scene.store, published.model, layout.max_bytes) == layout.encode(model)
        assert all(memory.any() for memory in model.memory)
        scene.crash()
        scene.start()


def test_what_a_server_withholds_of_such_a_round_is_derived_again() -> None:
    """Model with memory and steps, from the ciphertexts; then the plan of the round that runs, whose steps it says."""
    pair = _pair()
    first, second = pair.first, pair.second
    first.enrol()
    first.submit(1)
    first.ended(RoundPublished, 1)
    published, record = first.ended_as(1), first.record(1)
    assert isinstance(published, RoundPublished)
    first.crash()
    second.crash()
    _lose(pair, published.model, record.aggregate, published.record)
    second.start()
    pair.pass_takeover(first.facts(1).opened.settle_until + first.spec.durations.roster_seconds)
    second.submit(2)
    assert _published(pair, 1).control is not None
    second.ended(RoundPublished, 2)
    assert second.plan(2).model == published.model
    assert pair.takeovers() == [SUBSTITUTE.address]


def test_no_round_is_opened_after_the_early_stop_and_everybody_is_paid() -> None:
    """Any model of this scene is as good as any other."""
    pair = Pair(rounds=5, control=ControlTerms(patience=1))
    first, second = pair.first, pair.second
    first.enrol()
    for number in (1, 2):
        first.submit(number)
        first.ended(RoundPublished, number)
    first.until(lambda: (told := first.desk.next_round(2)) and told.round == 0)
    for _ in range(80):  # the servers would open a round now, had nobody stopped them
        for server in (first, second):
            server.step()
        first.chain.pass_time(20)
    assert len(first.state.rounds) == 2
    earned = first.owed()
    for signer in CLIENTS:
        leave = Leave(1, signer.address)
        first.desk.leave(SignedLeave(leave, signer.sign(DOMAIN, leave)))
        first.desk.claim(signer.address)
    first.until(lambda: first.ledger.claimed(1, CLIENTS[0].address) == earned[CLIENTS[0].address])
    own, fees = first.signer.address, 2 * first.spec.rewards.edge_fee
    first.until(lambda: first.ledger.claimed(1, own) == fees)
    first.pass_time_to(first.facts(2).opened.settle_until + 10 * first.spec.durations.takeover_seconds)
    first.until(lambda: (told := second.desk.next_round(2)) and told.round == 0)
    assert [event.round for event in pair.events() if isinstance(event, RoundOpened)] == [1, 2]
    assert pair.takeovers() == []
    assert first.ledger.bond(1, own).amount, "the ledger does not know yet that the task is over"
    first.pass_time_to(first.ledger.task(1).task_until + 1)
    first.until(lambda: not first.ledger.bond(1, own).amount)
    assert len(first.state.rounds) == 2
