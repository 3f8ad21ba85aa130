"""What one round of a task asks of a phone, estimated from public terms alone: the most examples, not its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.messages.learning import MICRO
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.model.specification import activations_of, multiplications_of
from protocol.privacy.spending import planned
from protocol.round.planning import sent_parameters
from protocol.round.scheme import encoding_of

MULTIPLICATIONS_PER_SECOND: Final = 10**9  # of a slow phone
_PASSES: Final = 3  # forwards once, backwards twice as much


@dataclass(frozen=True, slots=True)
class Work:
    """Of one round."""

    seconds: int  # of training, rounded up
    bytes: int  # of the update that is sent and the model that is fetched
    activations: int  # numbers between the layers, for one example


def work_of(spec: TaskSpec) -> Work:
    """Raises EncryptionError ``E_PARAMS`` for an encoding that there is not, MalformedError for a model."""
    sent, most = sent_parameters(spec), spec.schedule.max_examples
    ((mechanism, _),) = planned(spec, 1).items()
    # whoever is held out is looked at in every step, for the owner's own figure
    each = -(-most * mechanism.sampling_rate_ppm // MICRO) - (-most * spec.learning.bayesian.held_out_ppm // MICRO)
    multiplications = _PASSES * mechanism.local_steps * each * multiplications_of(spec.model)
    return Work(
        seconds=-(-multiplications // MULTIPLICATIONS_PER_SECOND),
        bytes=encoding_of(spec).body_bytes(sent) + Layout.published(spec).max_bytes,
        activations=activations_of(spec.model),
    )
