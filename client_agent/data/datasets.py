"""Public data sets of demonstrations and experiments: scikit-learn's digits, MNIST in its original encoding."""

from __future__ import annotations

import gzip
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from client_agent.data.loader import DataMissingError
from protocol.errors import MalformedError
from protocol.model.dataset import Examples

MNIST_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 60_000),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", 10_000),
}
_DIGITS_TEST_SHARE = 5  # one in so many


def load_digits() -> tuple[Examples, Examples]:
    """scikit-learn's 1,797 digits of 8 x 8 pixels from 0 to 16: train and test, every fifth image for testing."""
    table = np.loadtxt(_bundled("digits.csv.gz"), delimiter=",", dtype=np.uint8)
    images, labels = table[:, :-1], table[:, -1]
    images = images.reshape(-1, 1, 8, 8)
    test = np.arange(len(labels)) % _DIGITS_TEST_SHARE == 0
    train, held_out = np.flatnonzero(~test), np.flatnonzero(test)
    examples = Examples({"inputs": images, "labels": labels})
    return examples.take(train), examples.take(held_out)


def _bundled(name: str) -> Path:
    """A file of scikit-learn's, without the two seconds that it takes to import. Raises DataMissingError."""
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise DataMissingError("scikit-learn is not installed, whose digits these are")
    return Path(found.origin).with_name("datasets") / "data" / name


def load_mnist(folder: Path) -> tuple[Examples, Examples]:
    """The 60,000 train and 10,000 test images of MNIST (28 x 28) from the four gzip files of its authors."""
    train, test = (_load_pair(folder, *MNIST_FILES[part]) for part in ("train", "test"))
    return train, test


def _load_pair(folder: Path, images_name: str, labels_name: str, count: int) -> Examples:
    images = _load_idx(folder / images_name, (count, 28, 28))
    labels = _load_idx(folder / labels_name, (count,))
    if labels.max() > 9:
        raise MalformedError(f"{labels_name}: a label above 9")
    return Examples({"inputs": images[:, None], "labels": labels})


def _load_idx(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    header, size = 4 + 4 * len(shape), int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            data = file.read(header + size + 1)
    except FileNotFoundError as error:
        names = ", ".join(name for pair in MNIST_FILES.values() for name in pair[:2])
        raise DataMissingError(
            f"{path} is missing: MNIST needs its four original files {names} in {path.parent}"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedError(f"{path}: not a gzip file: {error}") from error
    expected = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    if len(data) != header + size or data[:header] != expected:
        raise MalformedError(f"{path}: not the IDX file of {shape} bytes")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)
