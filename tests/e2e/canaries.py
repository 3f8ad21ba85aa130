"""Secret values in every guise in which they could leave their owner, and the search for them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

WINDOW_BYTES = 32
MIN_DISTINCT_BYTES = 6  # a window of zeros or of one small number is nobody's secret


@dataclass(frozen=True)
class Canary:
    owner: str
    what: str
    guises: tuple[bytes, ...]


def key_canary(owner: str, what: str, key: bytes) -> Canary:
    return Canary(owner, what, tuple(_guises(key)))


def vector_canaries(owner: str, what: str, vector: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> list[Canary]:
    """Windows from the start, the middle and the end, in every number format that a leak could use."""
    found = []
    for dtype in ("<i8", "<i4", "<i2", "<f8", "<f4") if vector.dtype == np.int64 else ("<f8", "<f4"):
        data = vector.astype(dtype).tobytes()
        aligned = len(data) // 8 * 8
        for start in (0, aligned // 16 * 8, aligned - 2 * WINDOW_BYTES):
            window = data[start : start + WINDOW_BYTES]
            if len(set(window)) >= MIN_DISTINCT_BYTES:
                found.append(Canary(owner, f"{what} as {dtype} at {start}", tuple(_guises(window))))
    middle = [str(number) for number in vector[len(vector) // 2 :][:6]]
    found.append(Canary(owner, f"{what} in decimal", (", ".join(middle).encode(), ",".join(middle).encode())))
    assert len(found) >= 4, "a vector without a recognisable window"
    return found


def _guises(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for shift in range(3):  # wherever it falls in a longer text of base64
        text = base64.b64encode(bytes(shift) + secret)[4:-4]
        yield text
        yield text.replace(b"+", b"-").replace(b"/", b"_")


def sightings(canaries: list[Canary], places: Mapping[str, bytes]) -> set[tuple[str, str, str]]:
    """(owner, what, place) of every canary found."""
    return {
        (canary.owner, canary.what, place)
        for place, data in places.items()
        for canary in canaries
        if any(guise in data for guise in canary.guises)
    }


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
