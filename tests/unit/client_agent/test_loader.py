"""A household's file: bounded, checked, read again once it has changed; the trainer always has the newest examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client_agent.data.loader import DataMissingError, FileLoader
from client_agent.training.trainers import HouseholdTrainer, trainer_for
from protocol.errors import MalformedError
from protocol.model.dataset import Examples, encode_examples
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from tests.unit.client_agent.scene_learning import LINEAR, NOISELESS, examples

PARAMETERS = np.zeros(dimension_of(LINEAR), dtype=np.float32)


def _household(seed: int) -> Examples:
    inputs, labels = examples(4, seed)
    return Examples({"inputs": inputs, "labels": labels})


def _put(path: Path, data: bytes) -> None:
    """As the port's owner is told to: a finished file renamed over the old one."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "household.safetensors"
    _put(path, encode_examples(_household(1)))
    return path


def test_a_file_is_read_once_as_long_as_it_is_the_same(path: Path) -> None:
    loader = FileLoader(path, 10_000)
    first = loader.load()
    assert loader.load() is first
    assert first.arrays["inputs"].tobytes() == _household(1).arrays["inputs"].tobytes()
    _put(path, encode_examples(_household(2)))  # of the same size
    second = loader.load()
    assert second.arrays["inputs"].tobytes() == _household(2).arrays["inputs"].tobytes()
    assert loader.load() is second


def test_a_file_that_grew_too_large_is_refused_and_one_that_shrank_again_is_read(path: Path) -> None:
    good = path.read_bytes()
    loader = FileLoader(path, len(good))
    first = loader.load()
    _put(path, good + b"\0")
    for _ in range(2):
        with pytest.raises(MalformedError, match="larger than"):
            loader.load()
    _put(path, good)
    assert loader.load().arrays["labels"].tolist() == first.arrays["labels"].tolist()


def test_a_file_that_is_broken_or_gone_is_one_typed_error_every_time(path: Path) -> None:
    loader = FileLoader(path, 10_000)
    loader.load()
    _put(path, b"{}")
    for _ in range(2):
        with pytest.raises(MalformedError):
            loader.load()
    path.unlink()
    for gone in (path, path.parent):
        with pytest.raises(DataMissingError, match=gone.name):
            FileLoader(gone, 10_000).load()


def test_a_household_trains_on_what_it_has_now(path: Path) -> None:
    trainer = HouseholdTrainer(LINEAR, FileLoader(path, 10_000))
    for number in (1, 2):
        _put(path, encode_examples(_household(number)))
        given, known = (
            way.train(PARAMETERS, NOISELESS, SeededRandomness(b"same"), "round").delta
            for way in (trainer, trainer_for(LINEAR, _household(number)))
        )
        assert given.tobytes() == known.tobytes()


def test_a_household_that_no_longer_fits_the_model_does_not_train(path: Path) -> None:
    trainer = HouseholdTrainer(LINEAR, FileLoader(path, 10_000))
    inputs, labels = examples(4, 3)
    _put(path, encode_examples(Examples({"inputs": inputs[:, :5], "labels": labels})))
    for _ in range(2):
        with pytest.raises(MalformedError, match="shape"):
            trainer.train(PARAMETERS, NOISELESS, SeededRandomness(b"same"), "round")
