"""A model as rounds make it: its parameters, and what the server's optimiser remembers of the rounds before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.errors import SpecError
from protocol.messages.learning import ServerTerms
from protocol.strict_toml import nearest

CONTROL: Final = "control"  # four numbers of float64, those of :class:`Control`
MOMENTUM: Final = "server.momentum"
SECOND_MOMENT: Final = "server.second_moment"

# what each kind of server remembers: a number for each parameter
_MEMORY: Final[dict[str, tuple[str, ...]]] = {"mean": (), "momentum": (MOMENTUM,), "adam": (MOMENTUM, SECOND_MOMENT)}


@dataclass(frozen=True, slots=True)
class Control:
    """What a task that adapts its local steps knows after a round (``protocol.round.adaptation``)."""

    local_steps: int  # of the next round
    rate: float  # length of a local step for a gradient of length one
    slope: float  # of the loss; 0 before the first round with several steps
    divergence: float  # of the clients' gradients


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """``memory``: a vector as long as the parameters for each name of :func:`memory_of`, in that order.

    None of it, and no control, before the first round. Phones train from the parameters alone.
    """

    parameters: npt.NDArray[np.float32]
    memory: tuple[npt.NDArray[np.float32], ...] = ()
    control: Control | None = None


def memory_of(server: ServerTerms) -> tuple[str, ...]:
    """Names of the tensors that a published model has besides its parameters. Raises SpecError for an unknown kind."""
    try:
        return _MEMORY[server.kind]
    except KeyError:
        raise SpecError(
            "learning.server.kind", f'there is no server "{server.kind}"; {nearest(server.kind, _MEMORY)}'
        ) from None


def check_server(server: ServerTerms) -> None:
    """Raises SpecError for an unknown kind, and for numbers that its kind does not read."""
    memory = memory_of(server)
    for name, tensor in (("momentum", MOMENTUM), ("second_moment", SECOND_MOMENT)):
        if getattr(server, f"{name}_micro") and tensor not in memory:
            raise SpecError(f"learning.server.{name}", f'means nothing to the server "{server.kind}"')
