"""Labelled images as one safetensors file: how test sets travel and households keep their examples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from protocol.errors import MalformedError

MAX_DATASET_BYTES = 64 * 1024 * 1024

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


def encode_labelled(images: Images, labels: Labels) -> bytes:
    """``images`` (N, ...) and ``labels`` (N,), both unsigned bytes."""
    return save({"images": np.ascontiguousarray(images), "labels": np.ascontiguousarray(labels)})


def decode_labelled(data: bytes) -> tuple[Images, Labels]:
    """Images and labels, as many of the one as of the other. Raises MalformedError."""
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise MalformedError(f"not a labelled dataset: {error}") from error
    images, labels = tensors.get("images"), tensors.get("labels")
    if set(tensors) != {"images", "labels"} or images is None or labels is None:
        raise MalformedError("a labelled dataset has the tensors images and labels")
    if images.dtype != np.uint8 or labels.dtype != np.uint8 or labels.ndim != 1 or images.ndim < 2:
        raise MalformedError("images and labels must be unsigned bytes, labels one for each image")
    if len(images) != len(labels) or not len(labels):
        raise MalformedError(f"{len(images)} images with {len(labels)} labels")
    return images, labels
