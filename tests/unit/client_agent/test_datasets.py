"""Files with examples: what is well formed is read, anything else is one typed error that names the file."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from client_agent.data.datasets import MNIST_FILES, DataMissingError, load_digits, load_household, load_mnist
from protocol.errors import HearthError, MalformedError
from protocol.model.dataset import encode_labelled
from tests.unit.client_agent.scene_learning import examples

IMAGES, LABELS = examples(4, 1, (1, 3, 3))
GOOD = encode_labelled(IMAGES, LABELS)
TRAIN_IMAGES, TRAIN_LABELS, _ = MNIST_FILES["train"]


def _load(tmp_path: Path, data: bytes, max_bytes: int = 10_000) -> None:
    path = tmp_path / "household.safetensors"
    path.write_bytes(data)
    load_household(path, max_bytes)


def test_household(tmp_path: Path) -> None:
    path = tmp_path / "household.safetensors"
    path.write_bytes(GOOD)
    images, labels = load_household(path, len(GOOD))
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_household_too_large(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="larger than"):
        _load(tmp_path, GOOD, len(GOOD) - 1)


def test_household_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(DataMissingError, match=path.name):
            load_household(path, 1_000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04.",
        GOOD[:-1],
        GOOD + b"\0",
        struct.pack("<Q", 2**63) + b"{}",
        save({"images": IMAGES}),
        save({"images": IMAGES, "labels": LABELS, "more": LABELS}),
        save({"images": IMAGES, "labels": LABELS[:-1]}),
        save({"images": IMAGES[:0], "labels": LABELS[:0]}),
        save({"images": IMAGES.astype(np.float32), "labels": LABELS}),
        save({"images": IMAGES, "labels": LABELS.astype(np.int64)}),
        save({"images": IMAGES, "labels": LABELS[:, None]}),
        save({"images": IMAGES[:, 0, 0, 0].copy(), "labels": LABELS}),
        GOOD.replace(b'"U8"', b'"F8"', 1),
    ],
)
def test_hostile_households(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(MalformedError):
        _load(tmp_path, data)


@given(place=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_any_changed_byte_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, place: int, value: int) -> None:
    changed = bytearray(GOOD)
    changed[place] = value
    try:
        _load(tmp_path_factory.getbasetemp(), bytes(changed))
    except HearthError:
        pass


def test_digits() -> None:
    (images, labels), (test_images, test_labels) = load_digits()
    assert images.shape == (1437, 1, 8, 8)
    assert test_images.shape == (360, 1, 8, 8)
    assert images.dtype == labels.dtype == test_images.dtype == test_labels.dtype == np.uint8
    assert images.max() == 16
    assert set(labels) == set(test_labels) == set(range(10))
    assert labels[:5].tolist() == [1, 2, 3, 4, 6]  # 0 and 5 are the first two for testing
    assert test_labels[:2].tolist() == [0, 5]


def _idx(values: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """The four files, blank, with one image and its label set."""
    for images_name, labels_name, count in MNIST_FILES.values():
        images, labels = np.zeros((count, 28, 28), np.uint8), np.zeros(count, np.uint8)
        images[1, 2, 3], labels[1] = 200, 9
        (tmp_path / images_name).write_bytes(gzip.compress(_idx(images), 1))
        (tmp_path / labels_name).write_bytes(gzip.compress(_idx(labels), 1))
    return tmp_path


def test_mnist(mnist: Path) -> None:
    for (images, labels), count in zip(load_mnist(mnist), (60_000, 10_000), strict=True):
        assert images.shape == (count, 1, 28, 28)
        assert (images[1, 0, 2, 3], labels[1]) == (200, 9)
        assert (images.sum(), labels.sum()) == (200, 9)


def test_mnist_says_what_is_missing_and_where_it_looked(mnist: Path) -> None:
    (mnist / TRAIN_LABELS).unlink()
    with pytest.raises(DataMissingError) as caught:
        load_mnist(mnist)
    assert str(mnist / TRAIN_LABELS) in str(caught.value)
    assert all(name in str(caught.value) for pair in MNIST_FILES.values() for name in pair[:2])


GOOD_LABELS = _idx(np.zeros(60_000, np.uint8))
HOSTILE_LABELS = {
    "empty": b"",
    "not compressed": GOOD_LABELS,
    "cut off": gzip.compress(GOOD_LABELS)[:-9],
    "garbled": gzip.compress(GOOD_LABELS)[:12] + b"\xff" * 40,
    "one short": gzip.compress(GOOD_LABELS[:-1]),
    "one too many": gzip.compress(GOOD_LABELS + b"\0"),
    "swollen": gzip.compress(bytes(20_000_000)),
    "two dimensions": gzip.compress(_idx(np.zeros((60_000, 1), np.uint8))),
    "signed bytes": gzip.compress(b"\0\0\x09\1" + GOOD_LABELS[4:]),
    "label 10": gzip.compress(_idx(np.full(60_000, 10, np.uint8))),
}


@pytest.mark.parametrize("case", HOSTILE_LABELS)
def test_hostile_mnist_labels(mnist: Path, case: str) -> None:
    (mnist / TRAIN_LABELS).write_bytes(HOSTILE_LABELS[case])
    with pytest.raises(MalformedError, match=TRAIN_LABELS):
        load_mnist(mnist)
