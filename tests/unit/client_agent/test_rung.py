"""A phone's own noise: chosen once, durably, after its charge and before its first update, or the plan's default."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.journal import AgentJournal
from client_agent.privacy.selection import chances, chosen, kept_within
from client_agent.rung import Rung
from client_agent.training.trainers import Household
from protocol.errors import HearthError
from protocol.identifiers import sha256
from protocol.messages.learning import MICRO, BayesianTerms, LearningTerms
from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.round.training import LENGTH_PARTS, Assignment, Training
from storage.content.memory import MemoryStore
from storage.records.memory import MemoryRecords
from tests.samples import sample_spec
from tests.unit.client_agent.scene_learning import Recorder
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, FatalRecords, Phone, play_round
from tests.unit.client_agent.scene_server import PlayedServer, SmallTrainer

RUNGS = tuple(round(2.0 * 1.4**rung * MICRO) for rung in range(5))


def _spec(selection_micro: int = MICRO, **changes: Any) -> TaskSpec:
    spec = sample_spec(**changes)
    bayesian = BayesianTerms(4 * MICRO, 6, 200_000, RUNGS, 1, selection_micro)
    return replace(spec, learning=replace(spec.learning, bayesian=bayesian))


def _adapting(**changes: Any) -> TaskSpec:
    return _spec(**changes)


class Watched(SmallTrainer):
    """Of ``lengths``; remembers with which terms it was asked to train."""

    def __init__(self, lengths: npt.NDArray[np.uint16] | Exception) -> None:
        self.lengths, self.points, self.trained = lengths, list[npt.NDArray[np.float32]](), list[LearningTerms]()

    def held_out_lengths(self, parameters: npt.NDArray[np.float32], learning: LearningTerms) -> npt.NDArray[np.uint16]:
        self.points.append(parameters)
        if isinstance(self.lengths, Exception):
            raise self.lengths
        return self.lengths

    def train(self, assignment: Assignment) -> Training:
        self.trained.append(assignment.learning)
        return super().train(assignment)


class Scene:
    """A phone's rung with a store and records of its own."""

    def __init__(self, spec: TaskSpec, household: Household | None, records: MemoryRecords | None = None) -> None:
        self.household, self.store, self.told = household, MemoryStore(), list[str]()
        self.layout, self.initial = Layout.of(spec.model), initial_parameters(spec.model) + np.float32(0.5)
        model = self.layout.to_safetensors(self.initial)
        self.store.put(model)
        self.spec = replace(spec, initial_model=sha256(model))
        self.records, self.randomness = records or MemoryRecords(), Recorder(b"rung")
        self.start()

    def start(self) -> None:
        self.rung = Rung(self.store, AgentJournal(self.records), self.randomness, self.told.append)

    def terms(self) -> LearningTerms:
        plan = mock.Mock(spec=RoundPlan, learning=self.spec.learning)
        return self.rung.terms(self.spec, cast(RoundPlan, plan), self.household)


def _lengths(count: int, seed: int = 0) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, LENGTH_PARTS, count).astype(np.uint16)


def test_it_is_drawn_with_the_chances_of_the_held_out_examples_at_the_first_model() -> None:
    watched = Watched(_lengths(80))
    scene = Scene(_spec(), watched)
    terms = scene.terms()
    assert [np.array_equal(point, scene.initial) for point in watched.points] == [True]
    ((purpose, size),) = scene.randomness.drawn
    odds = chances(kept_within(watched.lengths, scene.spec.learning, scene.spec.rounds), 80, MICRO)  # type: ignore[arg-type]
    rung = chosen(odds, Recorder(b"rung").draw(purpose, size))
    assert terms == scene.spec.learning.on_rung(rung) and terms.noise_multiplier_micro == RUNGS[rung]
    assert size == 16 and rung != scene.spec.learning.bayesian.default_rung, "else this shows nothing"


def test_it_stays_through_restarts_and_rounds_whatever_the_data_become() -> None:
    watched = Watched(_lengths(80))
    scene = Scene(_spec(), watched)
    first = scene.terms()
    watched.lengths = np.zeros(80, dtype=np.uint16)
    for _ in range(3):
        scene.start()
        assert scene.terms() == first
    assert (len(watched.points), len(scene.randomness.drawn)) == (1, 1)


def test_where_the_task_does_not_allow_it_nothing_is_looked_at() -> None:
    watched = Watched(RuntimeError("never asked"))
    scene = Scene(_spec(selection_micro=0), watched)
    assert scene.terms() == scene.spec.learning and scene.terms().noise_multiplier_micro == RUNGS[1]
    assert (watched.points, scene.randomness.drawn, AgentJournal(scene.records).rung) == ([], [], None)


@pytest.mark.parametrize(
    "household",
    [None, Watched(RuntimeError("no file")), Watched(_lengths(0))],
    ids=["none", "unreadable", "nobody"],
)
def test_without_examples_it_is_a_choice_all_the_same(household: Household | None) -> None:
    """Among equals: a phone whose data are gone is not the only one with the default noise."""
    scene = Scene(_spec(), household)
    scene.terms()
    ((purpose, size),) = scene.randomness.drawn
    rung = chosen(chances((0,) * len(RUNGS), 0, MICRO), Recorder(b"rung").draw(purpose, size))
    assert AgentJournal(scene.records).rung == rung


def test_a_first_model_that_is_kept_back_leaves_the_default_for_good() -> None:
    watched = Watched(_lengths(80))
    scene = Scene(_spec(), watched)
    scene.rung = Rung(MemoryStore(), AgentJournal(scene.records), scene.randomness, scene.told.append)
    assert scene.terms() == scene.spec.learning
    scene.start()
    assert scene.terms() == scene.spec.learning and watched.points == []
    assert "default noise" in scene.told[0]


def test_every_round_of_a_phone_is_trained_with_it_and_a_kill_at_any_entry_changes_nothing(tmp_path: Path) -> None:
    watched = Watched(_lengths(80))
    learning = _spec().learning
    with mock.patch("tests.unit.client_agent.scene_server.sample_spec", _adapting):
        server = PlayedServer()
        phone = Phone(server, tmp_path, records=FatalRecords(), household=watched)
        phone.steps(300)  # every life before the enrolment waits for an instant of its own
        for _ in range(2):
            play_round(phone)
    rung = AgentJournal(phone.records).rung
    assert rung is not None and phone.lives > 4
    assert sorted(server.submitted) == [1, 2]
    assert {terms.noise_multiplier_micro for terms in watched.trained} == {RUNGS[rung]}
    assert watched.trained[0] == learning.on_rung(rung)


def test_no_rung_is_chosen_before_it_is_charged(tmp_path: Path) -> None:
    watched, order = Watched(_lengths(80)), list[str]()
    with mock.patch("tests.unit.client_agent.scene_server.sample_spec", _adapting):
        server = PlayedServer()
        phone = Phone(server, tmp_path, household=watched)
        phone.steps(60)
        charge, keep = phone.privacy.charge, AgentJournal.keep_rung

        def charged(*arguments: Any) -> None:
            order.append("charged")
            charge(*arguments)

        def kept(journal: AgentJournal, rung: int) -> int:
            order.append("chosen")
            return keep(journal, rung)

        with mock.patch.object(phone.privacy, "charge", charged), mock.patch.object(AgentJournal, "keep_rung", kept):
            server.open()
            phone.steps(UNTIL_BATCH)
    assert order == ["charged", "chosen"] and 1 in server.submitted


def test_who_is_not_charged_chooses_without_its_examples(tmp_path: Path) -> None:
    watched = Watched(_lengths(80))
    with mock.patch("tests.unit.client_agent.scene_server.sample_spec", _adapting):
        server = PlayedServer()
        phone = Phone(server, tmp_path, household=watched)
        phone.steps(60)
        refused = mock.Mock(side_effect=HearthError("ledger unreadable"))
        with mock.patch.object(phone.privacy, "charge", refused):
            server.open()
            phone.steps(UNTIL_BATCH)
    assert 1 in server.submitted and (watched.points, watched.trained) == ([], [])
    assert AgentJournal(phone.records).rung is not None
