"""A household's file: bounded, checked, read again once it has changed; the trainer always has the newest examples."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from client_agent.data.fingerprints import fingerprints_of
from client_agent.data.loader import DataMissingError, FileLoader
from client_agent.privacy.ledger import HOME, DataSet, DataSetError, PrivacyLedger
from client_agent.training.trainers import HouseholdTrainer, trainer_for
from protocol.errors import MalformedError
from protocol.model.dataset import Examples, encode_examples
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from storage.records.memory import MemoryRecords
from tests.unit.client_agent.scene_learning import LINEAR, NOISELESS, everything, examples

PARAMETERS, SENT = np.zeros(dimension_of(LINEAR), dtype=np.float32), everything(LINEAR)


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


def test_what_is_no_file_is_refused_at_once(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)  # whoever opened it would wait for a writer
    for place in (path, path.parent, Path("/dev/zero")):
        with pytest.raises(DataMissingError, match=place.name):
            FileLoader(place, 10_000).load()


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04\x95pickle", encode_examples(_household(1))[:-1]])
def test_what_is_no_safetensors_file_is_named(path: Path, content: bytes) -> None:
    _put(path, content)
    with pytest.raises(MalformedError, match=path.name):
        FileLoader(path, 10_000).load()


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
    trainer = HouseholdTrainer(LINEAR, FileLoader(path, 10_000), 10, print)
    for number in (1, 2):
        _put(path, encode_examples(_household(number)))
        given, known = (
            way.train(Assignment(PARAMETERS, NOISELESS, SENT, SeededRandomness(b"same"), "round")).delta
            for way in (trainer, trainer_for(LINEAR, _household(number)))
        )
        assert given.tobytes() == known.tobytes()


def test_a_household_that_no_longer_fits_the_model_does_not_train(path: Path) -> None:
    trainer = HouseholdTrainer(LINEAR, FileLoader(path, 10_000), 10, print)
    inputs, labels = examples(4, 3)
    _put(path, encode_examples(Examples({"inputs": inputs[:, :5], "labels": labels})))
    for _ in range(2):
        with pytest.raises(MalformedError, match="shape"):
            trainer.train(Assignment(PARAMETERS, NOISELESS, SENT, SeededRandomness(b"same"), "round"))


def test_a_content_of_another_data_set_is_not_used(path: Path, tmp_path: Path) -> None:
    """Its charges would go to the wrong one. Put back, the file is used again."""
    records = MemoryRecords()
    privacy, other = PrivacyLedger(lambda: records), tmp_path / "other"
    other.write_bytes(encode_examples(_household(2)))
    privacy.assign(fingerprints_of(other, other.read_bytes()), "kitchen")
    data_set = DataSet(privacy, None)
    loader = FileLoader(path, 10_000, data_set.admit)
    loader.load()
    assert data_set.name == HOME
    _put(path, other.read_bytes())
    for _ in range(2):
        with pytest.raises(DataSetError, match="'kitchen', and not to 'home'"):
            loader.load()
    _put(path, encode_examples(_household(3)))
    loader.load()
    assert privacy.spending().files[fingerprints_of(path, path.read_bytes())[1]] == HOME


def test_what_became_unusable_is_left_out_and_counted_for_its_owner(path: Path) -> None:
    told = list[str]()
    trainer = HouseholdTrainer(LINEAR, FileLoader(path, 10_000), 6, told.append)
    inputs, labels = examples(8, 4)
    broken = inputs.astype(np.float32)
    broken[1, 3], broken[2, 0] = np.nan, np.inf
    wrong = labels.astype(np.int64)
    wrong[4] = 3
    _put(path, encode_examples(Examples({"inputs": broken, "labels": wrong})))
    kept = [0, 3, 5]  # and not those from the sixth on
    fitting = trainer_for(LINEAR, Examples({"inputs": broken[kept], "labels": wrong[kept]}))
    for _ in range(2):
        given, known = (
            way.train(Assignment(PARAMETERS, NOISELESS, SENT, SeededRandomness(b"same"), "round")).delta
            for way in (trainer, fitting)
        )
        assert given.tobytes() == known.tobytes()
    assert told == ["5 of 8 examples cannot be used and are left out"]
    wrong[:] = -1
    _put(path, encode_examples(Examples({"inputs": broken, "labels": wrong})))
    assert not trainer.train(Assignment(PARAMETERS, NOISELESS, SENT, SeededRandomness(b"same"), "round")).delta.any()
    assert told[1:] == ["8 of 8 examples cannot be used and are left out"]


def test_before_anything_is_agreed_every_example_has_to_fit(path: Path) -> None:
    inputs, labels = examples(4, 5)
    trainer = HouseholdTrainer(LINEAR, FileLoader(path, 10_000), 4, print)
    _put(path, encode_examples(Examples({"inputs": inputs, "labels": labels})))
    assert trainer.check() == 4
    wrong = labels.copy()
    wrong[2] = 3
    for changed, reason in (
        (Examples({"inputs": inputs, "labels": wrong}), "1 of 4 examples do not fit: number 2 has label 3"),
        (Examples({"inputs": np.where(inputs == inputs.max(), np.nan, inputs), "labels": labels}), "nan"),
        (Examples({"inputs": inputs[:, :5], "labels": labels}), "shape"),
        (
            Examples({"inputs": inputs.repeat(2, axis=0), "labels": labels.repeat(2)}),
            "8 examples where the task takes 4",
        ),
    ):
        _put(path, encode_examples(changed))
        with pytest.raises(MalformedError, match=reason):
            trainer.check()
