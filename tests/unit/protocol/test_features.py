"""Fixed features: the same bits on every machine, and for an image alone as among others."""

from __future__ import annotations

import numpy as np

from protocol.identifiers import sha256
from protocol.model.features import oriented_gradients

CELLS = {"cell": 4, "stride": 2, "padding": 1, "scale": 16}
IMAGES = (np.arange(3 * 8 * 8, dtype=np.int64) ** 3 % 17).astype(np.uint8).reshape(3, 1, 8, 8)
BITS = "be1fd0932254f119c10bd7037265bb95337ed271546c61030303247607bee6a6"


def test_the_bits_are_those_of_every_version() -> None:
    assert sha256(oriented_gradients(IMAGES, CELLS).tobytes()).hex() == BITS


def test_an_image_alone_has_the_features_that_it_has_among_others() -> None:
    together = oriented_gradients(IMAGES, CELLS)
    assert [oriented_gradients(one[None], CELLS).tobytes() for one in IMAGES] == [one.tobytes() for one in together]
