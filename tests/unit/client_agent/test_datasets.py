"""Public data sets: what is well formed is read, anything else is one typed error that names the file."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from client_agent.data.datasets import MNIST_FILES, load_digits, load_mnist
from client_agent.data.loader import DataMissingError
from protocol.errors import MalformedError

TRAIN_IMAGES, TRAIN_LABELS, _ = MNIST_FILES["train"]


def test_digits() -> None:
    (images, labels), (test_images, test_labels) = (examples.labelled() for examples in load_digits())
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
    for examples, count in zip(load_mnist(mnist), (60_000, 10_000), strict=True):
        images, labels = examples.labelled()
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
