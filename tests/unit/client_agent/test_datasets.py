"""Public data sets: what is well formed is read, anything else is one typed error that names the file."""

from __future__ import annotations

import gzip
import struct
from functools import cache
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


@cache
def _packed() -> dict[str, bytes]:
    """The four files, blank, with one image and its label set."""
    files = dict[str, bytes]()
    for images_name, labels_name, count in MNIST_FILES.values():
        images, labels = np.zeros((count, 28, 28), np.uint8), np.zeros(count, np.uint8)
        images[1, 2, 3], labels[1] = 200, 9
        files |= {
            f"{images_name}.gz": gzip.compress(_idx(images), 1),
            f"{labels_name}.gz": gzip.compress(_idx(labels), 1),
        }
    return files


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    for name, content in _packed().items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def _labels(folder: Path) -> Path:
    return folder / f"{TRAIN_LABELS}.gz"


def test_mnist(mnist: Path) -> None:
    for examples, count in zip(load_mnist(mnist), (60_000, 10_000), strict=True):
        images, labels = examples.labelled()
        assert images.shape == (count, 1, 28, 28)
        assert (images[1, 0, 2, 3], labels[1]) == (200, 9)
        assert (images.sum(), labels.sum()) == (200, 9)


@pytest.mark.parametrize(
    ("place", "name", "packed"),
    [
        ("mnist", "train-labels-idx1-ubyte", False),
        ("mnist", "train-labels.idx1-ubyte", False),
        ("mnist", "train-labels.idx1-ubyte.gz", True),
        ("mnist", "train-labels-idx1-ubyte.gz", False),
        ("mnist/raw", "train-labels-idx1-ubyte", False),
        ("mnist/MNIST/raw", "train-labels-idx1-ubyte.gz", True),
        ("MNIST/raw", "train-labels-idx1-ubyte", False),
    ],
)
def test_mnist_is_read_as_mirrors_and_libraries_lay_it_out(mnist: Path, place: str, name: str, packed: bool) -> None:
    labels = _labels(mnist)
    content = labels.read_bytes() if packed else gzip.decompress(labels.read_bytes())
    labels.unlink()
    folder = mnist / "mnist"
    for other in (folder, mnist / place):
        other.mkdir(exist_ok=True, parents=True)
    for path in mnist.glob("*.gz"):
        path.rename(folder / path.name)
    (mnist / place / name).write_bytes(content)
    assert len(load_mnist(folder)[0].arrays["labels"]) == 60_000


def test_mnist_is_read_where_torchvision_puts_it(mnist: Path) -> None:
    """In the data folder itself, which then has no folder of our name."""
    raw = mnist / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in mnist.glob("*.gz"):
        path.rename(raw / path.name)
    assert len(load_mnist(mnist / "mnist")[0].arrays["labels"]) == 60_000


def test_mnist_says_what_is_missing_and_where_it_looked(mnist: Path) -> None:
    _labels(mnist).unlink()
    with pytest.raises(DataMissingError) as caught:
        load_mnist(mnist)
    assert f"{mnist}: no {TRAIN_LABELS}" in str(caught.value)
    assert all(name in str(caught.value) for pair in MNIST_FILES.values() for name in pair[:2])


GOOD_LABELS = _idx(np.zeros(60_000, np.uint8))
HOSTILE_LABELS = {
    "empty": b"",
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
    _labels(mnist).write_bytes(HOSTILE_LABELS[case])
    with pytest.raises(MalformedError, match=TRAIN_LABELS):
        load_mnist(mnist)
