"""A whole task under local Bayesian privacy, on one phone with real gradients and a played server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from client_agent.journal import AgentJournal
from client_agent.privacy.example_budgets import ExampleBudgets
from client_agent.privacy.held_out import Coins
from client_agent.privacy.own_figures import own_figures
from client_agent.training.trainers import HouseholdTrainer
from protocol.messages.learning import MICRO, BayesianTerms
from protocol.messages.submission import Submission
from protocol.messages.task import TaskSpec
from protocol.model.dataset import Examples
from storage.records.memory import MemoryRecords
from tests.samples import sample_spec
from tests.unit.client_agent.scene_phone import FatalRecords, Phone, play_round
from tests.unit.client_agent.scene_server import PlayedServer

HALF = MICRO // 2
COINS = Coins(lambda: b"\x05" * 32)
BAYESIAN = BayesianTerms(6 * MICRO, 6, HALF, (2 * MICRO, 3 * MICRO, 4 * MICRO), 1)


class Kept:
    def __init__(self, found: Examples) -> None:
        self.examples = found

    def load(self) -> Examples:
        return self.examples


def _data(count: int = 40, seed: int = 1) -> Examples:
    random = np.random.default_rng(seed)
    inputs = random.normal(0.0, 1.0, (count, 6)).astype(np.float32)
    return Examples({"inputs": inputs, "labels": random.integers(0, 3, count)})


def _spec(**changes: Any) -> TaskSpec:
    spec = sample_spec(**changes)
    return replace(spec, learning=replace(spec.learning, bayesian=BAYESIAN))


def _played(
    folder: Path,
    found: Examples,
    budget_micro: int | None = None,
    records: MemoryRecords | None = None,
    rounds: int = 2,
) -> tuple[Phone, Mapping[int, list[Submission]]]:
    """A phone after ``rounds`` rounds, and what it has sent."""
    with mock.patch("tests.unit.client_agent.scene_server.sample_spec", _spec):
        server, kept = PlayedServer(), records or MemoryRecords()
    budgets = budget_micro and ExampleBudgets(budget_micro, server.spec, lambda: AgentJournal(kept).followed)
    home = HouseholdTrainer(server.spec.model, Kept(found), 1_000, lambda _: None, COINS, budgets or None)
    phone = Phone(server, folder, records=kept, household=home)
    phone.steps(300)
    for _ in range(rounds):
        play_round(phone)
    return phone, server.submitted


def _figures(phone: Phone, budgets: ExampleBudgets | None = None) -> Any:
    return own_figures(AgentJournal(phone.records).followed, budgets)


def test_the_owner_has_both_figures_of_every_round_that_was_trained(tmp_path: Path) -> None:
    phone, sent = _played(tmp_path, _data())
    found = _figures(phone)
    assert sorted(sent) == [1, 2] and (found.rounds, found.steps) == (2, 2)
    assert found.held_out == int(COINS.held_out(_data(), HALF).sum()) > 10
    assert found.bayesian[0].epsilon_micro > 0 and found.classical.epsilon_micro > 0
    assert found.target_micro == 6 * MICRO and found.indicative
    noises = {one.terms.noise_multiplier_micro for one in AgentJournal(phone.records).followed}
    assert noises == {3 * MICRO}, "the default rung's"


def test_a_kill_at_any_entry_loses_no_round_of_it(tmp_path: Path) -> None:
    phone, sent = _played(tmp_path, _data(), records=FatalRecords())
    assert phone.lives > 10 and sorted(sent) == [1, 2]
    assert _figures(phone).rounds == 2


@pytest.mark.parametrize("held_out", ["others", "nobody"])
def test_what_is_sent_is_the_same_to_the_last_byte_whatever_is_held_out(held_out: str, tmp_path: Path) -> None:
    """With it what the owner is shown changes, and nothing else."""
    found = _data()
    held = COINS.held_out(found, HALF)
    inputs = found.arrays["inputs"].copy()
    inputs[held] *= 7.0  # other examples, in the same places of the file
    other = Examples({"inputs": inputs, "labels": found.arrays["labels"]})
    still = COINS.held_out(other, HALF)
    keep = ~held if held_out == "nobody" else ~(held & ~still)
    other = other.take(np.flatnonzero(keep))
    (one, sent), (two, as_well) = _played(tmp_path / "a", found), _played(tmp_path / "b", other)
    assert sent == as_well and sorted(sent) == [1, 2]
    assert list(_figures(one).lines()) != list(_figures(two).lines())


def test_who_has_dropped_out_is_noticed_by_nobody_but_its_owner(tmp_path: Path) -> None:
    """All examples of a phone have spent their budgets: it sends nothing but noise, in messages of the same size."""
    (rich, usual), (poor, alone) = (_played(tmp_path / f"{budget}", _data(), budget) for budget in (500 * MICRO, 1))
    sizes = [[len(AgentJournal(phone.records).body(number)) for number in (1, 2)] for phone in (rich, poor)]
    assert sizes[0] == sizes[1] and usual != alone
    budgets = ExampleBudgets(1, _spec(), lambda: AgentJournal(poor.records).followed)
    found = _figures(poor, budgets)
    assert found.dropped_out == len(_data()) - found.held_out and found.dearest.epsilon_micro == 0
    assert poor.charged() == rich.charged() == {1, 2}


def test_a_round_that_holds_none_of_the_examples_is_not_in_it(tmp_path: Path) -> None:
    phone, _ = _played(tmp_path, _data(), rounds=1)
    assert isinstance(phone.household, HouseholdTrainer)
    with mock.patch.object(HouseholdTrainer, "train", side_effect=OSError("disk")):
        play_round(phone)
    assert sorted(phone.server.submitted) == [1, 2] and _figures(phone).rounds == 1
