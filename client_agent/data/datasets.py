"""Public data sets of demonstrations and experiments: scikit-learn's digits, MNIST in its original encoding."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.loader import DataMissingError
from protocol.errors import MalformedError
from protocol.model.dataset import Examples

MNIST_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 10_000),
}
_MNIST_PLACES: Final = (".", "raw", "MNIST/raw", "../MNIST/raw")  # torchvision's are the last ones
_GZIP: Final = b"\x1f\x8b"
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
    """The 60,000 train and 10,000 test images of MNIST (28 x 28) from the four files of its authors, gzip or not, in
    the folder or as torchvision lays them out."""
    train, test = (_load_pair(folder, *MNIST_FILES[part]) for part in ("train", "test"))
    return train, test


def _load_pair(folder: Path, images_name: str, labels_name: str, count: int) -> Examples:
    images = _load_idx(_found(folder, images_name), (count, 28, 28))
    path = _found(folder, labels_name)
    labels = _load_idx(path, (count,))
    if labels.max() > 9:
        raise MalformedError(f"{path}: a label above 9")
    return Examples({"inputs": images[:, None], "labels": labels})


def _found(folder: Path, name: str) -> Path:
    """Where it is, under the names that mirrors give it."""
    dotted = ".idx".join(name.rsplit("-idx", 1))
    names = [f"{stem}{end}" for stem, end in product((name, dotted), ("", ".gz"))]
    for place, file in product(_MNIST_PLACES, names):
        path = Path(os.path.normpath(folder / place)) / file  # the folder itself may be missing
        if path.is_file():
            return path
    needed = ", ".join(stem for pair in MNIST_FILES.values() for stem in pair[:2])
    raise DataMissingError(
        f"{folder}: no {name}, with .gz or without, nor in MNIST/raw; MNIST needs its four files {needed}. Put them"
        " there; the digits of --dataset digits need no file"
    )


def _load_idx(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    header, size = 4 + 4 * len(shape), int(np.prod(shape))
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP  # some download tools unpack a file and leave its name
            file.seek(0)
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(header + size + 1)
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else f"damaged: {error}"
        raise MalformedError(f"{path}: {why}") from error
    expected = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    if len(data) != header + size or data[:header] != expected:
        dimensions = " x ".join(map(str, shape))
        raise MalformedError(f"{path}: not the IDX file of {dimensions} bytes that belongs there; fetch it again")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)
