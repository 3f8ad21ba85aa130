"""Weights of clients: what every suite allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol.errors import EncryptionError

MAX_WEIGHT: Final = 255


def check_weight(weight: int) -> None:
    """B3. Raises EncryptionError ``E_WEIGHT`` unless ``weight`` is an integer in 1..255."""
    if type(weight) is not int or not 1 <= weight <= MAX_WEIGHT:
        raise EncryptionError(f"weight {weight!r} is not an integer in [1, {MAX_WEIGHT}]", code="E_WEIGHT")


def check_weights(weights: Sequence[int]) -> None:
    """Raises EncryptionError ``E_PARAMS`` when there are none, ``E_WEIGHT`` for a bad one."""
    if not weights:
        raise EncryptionError("no weights", code="E_PARAMS")
    for weight in weights:
        check_weight(weight)
