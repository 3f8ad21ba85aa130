"""Vectors that anybody can send without any data of its own: the screening of a round looks who did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocol.messages.task import TaskSpec
from protocol.round.planning import choose_index_set
from protocol.round.screening_request import making_round, public_vectors
from protocol.round.screening_verdict import Read
from protocol.screening.arithmetic import Integers
from protocol.screening.history import Coordinates
from protocol.sparse.codec import decode_sums
from protocol.task.documents import there
from protocol.task.state import TaskState


@dataclass(frozen=True, eq=False)
class PublicVector:
    """``values``, shape (k,), at ``coordinates`` of the model; zero elsewhere."""

    coordinates: Coordinates
    values: Integers


def read_public_vectors(state: TaskState, spec: TaskSpec, number: int, read: Read) -> tuple[PublicVector, ...]:
    """Those of :func:`~protocol.round.screening_request.public_vectors`, in that order: the sums of the round that made
    the model, divided by the weights of its request for a key, rounded down. So a copy is as long as an update.

    Raises UnderivableError, MalformedError.
    """
    made = making_round(state, number)
    if made is None:
        return ()
    coordinates = choose_index_set(spec, made).indices.astype(np.int64)
    total = sum(entry.weight for entry in there(state.request(made)).entries)
    size = len(coordinates)
    return tuple(
        PublicVector(coordinates, decode_sums(read(digest, 8 * size), size) // total)
        for digest in public_vectors(state, number)
    )
