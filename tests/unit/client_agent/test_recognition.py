"""Which appliance a model takes a plug for: by hours, with doubt, and of gaps and silence nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from client_agent.recognition import Guess, Recognised, hours_of, names_appliances, recognise
from scripts.demonstration.presets import appliances_terms, next_hour_terms
from tests.unit.client_agent.scene_recognition import MODEL, by_power


def hours(*watts: float) -> npt.NDArray[np.float32]:
    return np.repeat(np.array([watts], dtype=np.float32), 3, axis=0).repeat(60, axis=1)


def test_it_counts_hours_and_leaves_out_what_says_nothing() -> None:
    watts = hours(90, 2000, 0, 90, 90, 90, 90, 90, 90)
    watts[:, 3 * 60 + 7] = np.nan
    inputs = hours_of(watts)
    assert inputs.shape == (7, 3, 1, 60)
    found = recognise(MODEL, by_power(), inputs)
    assert found == Recognised((Guess("Refrigerator", 6), Guess("WaterKettle", 1)), 7) and found.sure
    assert hours_of(watts[:, :59]).shape == (0, 3, 1, 60)


def test_doubt_is_said() -> None:
    assert not recognise(MODEL, by_power(), hours_of(hours(*[90] * 5))).sure, "too few hours"
    assert not recognise(MODEL, by_power(), hours_of(hours(*[90] * 6, *[2000] * 4))).sure, "they do not agree"
    nothing = recognise(MODEL, by_power(), hours_of(hours(0, 1)))
    assert nothing.first is None and nothing.hours == 0 and nothing.agrees("Lamp") is None


def test_it_agrees_with_what_its_owner_says_where_a_model_could() -> None:
    found = recognise(MODEL, by_power(), hours_of(hours(*[90] * 8)))
    assert found.agrees("Refrigerator") and found.agrees("Lamp") is False
    assert found.agrees(None) is None and found.agrees("Other") is None


def test_only_models_of_an_hour_name_appliances() -> None:
    assert names_appliances(appliances_terms()[0]) and not names_appliances(next_hour_terms()[0])
