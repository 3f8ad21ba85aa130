"""The digits preset learns, its households are fixed, and missing data are named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from client_agent.data.loader import DataMissingError
from protocol.messages.learning import ModelSpec
from protocol.model.dataset import decode_labelled
from protocol.model.evaluation import count_correct
from scripts.demonstration.data import MINIMUM_EXAMPLES, households_of
from scripts.demonstration.data_folder import data_folder
from scripts.demonstration.presets import digits_terms
from scripts.evaluate import learning
from scripts.evaluate.centralised import train_together
from tests.unit.client_agent.scene_learning import CLASSES, CONVOLUTION, DEEP, LINEAR


def test_terms_in_place_of_the_presets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    for more in ([], ["--density", "1", "--scale", "1", "--noise-multiplier", "9", "--clip", "0.1"]):
        usual = ["learning", "--clients", "3", "--rounds", "1", "--seeds", "1", *more]
        monkeypatch.setattr(sys, "argv", usual)
        learning.main()
        runs.append(json.loads(capsys.readouterr().out))
    assert runs[1]["epsilon"] < runs[0]["epsilon"] / 2
    assert runs[1]["accuracy"] != runs[0]["accuracy"]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_digits_preset_reaches_its_accuracy(seed: int) -> None:
    accuracies = list(learning.play("digits", 10, 10, seed))
    assert len(accuracies) == 10
    assert accuracies[-1] >= 0.85
    assert accuracies == list(learning.play("digits", 10, 10, seed))


def test_the_command_prints_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["learning", "--clients", "3", "--rounds", "2", "--seeds", "2"])
    learning.main()
    result = json.loads(capsys.readouterr().out)
    assert [len(run) for run in result["accuracy"]] == [2, 2]
    assert 0 < result["epsilon"] < 8
    assert result["delta"] == 1e-5
    assert result["centralised"] > result["last"]["maximum"]


@pytest.mark.parametrize("model", [LINEAR, DEEP, CONVOLUTION])
def test_together_every_kind_of_layer_learns(model: ModelSpec) -> None:
    """Classes that differ by their brightness; seeded, so the same again."""
    labels = np.arange(1_500) % CLASSES
    inputs = np.random.default_rng(0).normal(0.0, 0.2, (1_500, *model.input_shape))
    inputs += labels.reshape(-1, *[1] * len(model.input_shape))
    parameters = train_together(model, inputs, labels, seed=1)
    assert count_correct(model, parameters, inputs, labels) >= 1_300
    assert parameters.tobytes() == train_together(model, inputs, labels, seed=1).tobytes()
    assert parameters.tobytes() != train_together(model, inputs, labels, seed=2).tobytes()


def test_together_the_digits_are_learned_better_than_in_a_task() -> None:
    assert learning.centralised("digits", 10, seed=0) >= 0.95


def test_households_are_uneven_and_the_same_every_time() -> None:
    dealt = households_of("digits", 10)
    assert dealt == households_of("digits", 10)
    counts = [len(decode_labelled(household)[1]) for household in dealt.households]
    assert min(counts) >= MINIMUM_EXAMPLES
    assert max(counts) > 2 * min(counts)
    assert abs(np.mean(counts) - digits_terms()[1].optimiser.reference_count) < 1


def test_missing_data_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEARTH_DATA_DIR", raising=False)
    with pytest.raises(DataMissingError, match="HEARTH_DATA_DIR"):
        households_of("mnist", 2)
    monkeypatch.setenv("HEARTH_DATA_DIR", str(tmp_path / "absent"))
    with pytest.raises(DataMissingError, match="absent"):
        data_folder()
    monkeypatch.setenv("HEARTH_DATA_DIR", str(tmp_path))
    with pytest.raises(DataMissingError, match="train-images-idx3-ubyte"):
        households_of("mnist", 2)
