"""The mean of the last rounds' models, for who wants a calmer one: a document of its own beside the last iterate.

Nothing goes on from it, and nobody is paid by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.content.cid import cid_of
from protocol.identifiers import ZERO_DIGEST, Digest
from protocol.messages.learning import ModelSpec
from protocol.model.layout import Layout


@dataclass(frozen=True, slots=True)
class Average:
    """``document``: the mean parameters of so many models; empty where there are none to be averaged."""

    document: bytes = b""
    rounds: int = 0

    @property
    def digest(self) -> Digest:
        return cid_of(self.document).digest if self.rounds else ZERO_DIGEST


def average_of(model: ModelSpec, parameters: Iterable[npt.NDArray[np.float32]]) -> Average:
    """Of at least one model, the last one first: summed in that order in float64, rounded once to float32."""
    total, rounds = np.zeros(Layout.of(model).dimension), 0
    for one in parameters:
        total += one
        rounds += 1
    return Average(Layout.of(model).to_safetensors((total / rounds).astype(np.float32)), rounds)
