"""Updates like those that a phone sent, made again and attacked by who opened them and knows all the rest.

What was sent is sealed, and its keys are gone. So the phone trains again, at the public models of the rounds that it
was in, on examples of its own of which fair coins leave out half, with noise of its own. Nothing of it leaves the phone
or is kept, so it costs no privacy, and the coins say for certain what was in.

The attacker is the worst one of the definition: of every example but one it knows gradient and coin. What it cannot
explain of an update is noise, and perhaps that one gradient. Its score is the logarithm of the likelihood ratio of the
two for normal noise, added up over rounds; it takes a round's local steps as if all were made at the first model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import units_of_clip
from client_agent.training.aggregated import Aggregated
from client_agent.training.dp_sgd import DpSgd, Sums
from client_agent.training.gradients import ClippedSum, Gradients
from client_agent.training.sampling import Chosen
from protocol.messages.learning import MICRO, LearningTerms, MechanismTerms, ModelSpec
from protocol.model.dataset import Examples
from protocol.privacy.figure import Unit
from protocol.privacy.mechanisms import unit_of
from protocol.randomness import Randomness
from protocol.round.training import Assignment, Trainer
from protocol.round.update import prepare_update
from protocol.sparse.grid import clip_of, divisor_of
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import meaning

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Seal = Callable[[npt.NDArray[np.int64], Randomness], bytes]

MOST_ATTACKED: Final = 200  # examples
MOST_NUMBERS: Final = 2**22  # of their gradients in all rounds together

_TRAINERS: Final[Mapping[str, Callable[[Sums], Trainer]]] = {"example": DpSgd, "distributed": Aggregated}


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """One round: the public ``parameters`` before it, its terms with this phone's own noise, its coordinates."""

    parameters: npt.NDArray[np.float32]
    learning: LearningTerms
    sent: IndexSet


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsed:
    """Of each attacked example, shape (m,): whether it was in, and the scores of who opened the updates and of who saw
    the last one as it is sent. Above zero they say that it was."""

    members: Flags
    opened: Reals
    sealed: Reals

    def right(self, scores: Reals) -> Flags:
        """Which guesses are."""
        guessed: Flags = (scores > 0) == self.members
        return guessed


def can_rehearse(mechanism: MechanismTerms) -> bool:
    """The noise of each round has to be its own, and of single examples."""
    return mechanism.kind in _TRAINERS and unit_of(mechanism) is Unit.EXAMPLE


class Rehearsal:
    """Of one household's ``examples`` in at least one round. ``seal``: encrypts as in the last one, under any keys."""

    def __init__(
        self, model: ModelSpec, examples: Examples, starts: Sequence[Start], seal: Seal, randomness: Randomness
    ) -> None:
        self._starts, self._seal, self._randomness = starts, seal, randomness
        weights = starts[0].learning.optimiser.class_weights_micro
        self._gradients = Gradients(model, *examples.labelled(), weights)
        numbers = sum(len(start.sent.indices) for start in starts)
        count = min(len(examples), MOST_ATTACKED, MOST_NUMBERS // numbers)
        drawn = np.frombuffer(randomness.draw("rehearsal/attacked", 8 * len(examples)), dtype="<u8")
        chosen = np.argsort(drawn, kind="stable")
        self._attacked, self._others = np.sort(chosen[:count]), np.sort(chosen[count:])
        self._pulls = [self._pull(start, self._attacked) for start in starts]
        self._rest = [self._sum(start, self._others) for start in starts]

    @property
    def attacked(self) -> int:
        """How many examples are."""
        return len(self._attacked)

    def play(self, number: int) -> Rehearsed:
        """All rounds once, with new coins; ``number`` tells one from another."""
        coins = np.frombuffer(self._randomness.draw(f"rehearsal/coins/{number}", self.attacked), dtype=np.uint8)
        members: Flags = coins % 2 == 1
        within = np.sort(np.concatenate([self._others, self._attacked[members]]))
        sums, opened, values = _Some(self._gradients, within), np.zeros(self.attacked), np.zeros(0, dtype=np.int64)
        for place, (start, pulls, rest) in enumerate(zip(self._starts, self._pulls, self._rest, strict=True)):
            learning, purpose = start.learning, f"rehearsal/{number}/{place}"
            trainer = _TRAINERS[learning.mechanism.kind](sums)
            assignment = Assignment(start.parameters, learning, start.sent, self._randomness, purpose)
            values = prepare_update(trainer, assignment).values
            unexplained = _summed(values, start) - rest - pulls[:, members].sum(axis=1)
            own = (pulls * pulls).sum(axis=0) * np.where(members, 0.5, -0.5)
            opened += (unexplained @ pulls + own) * _weight(start)
        return Rehearsed(members, opened, _matched(self._seal(values, self._randomness), self._pulls[-1]))

    def _pull(self, start: Start, chosen: Chosen) -> Reals:
        """What each of the ``chosen`` adds to a round's sum on average, a column of (k, n)."""
        sent, point = start.sent, start.parameters.astype(np.float64)
        clip = clip_of(start.learning.mechanism, sent)
        columns, _ = self._gradients.clipped(point, sent.indices, chosen, clip)
        found: Reals = columns * (_uses(start) * clip / units_of_clip(len(sent.indices)))
        return found

    def _sum(self, start: Start, chosen: Chosen) -> Reals:
        sent, point = start.sent, start.parameters.astype(np.float64)
        clip = clip_of(start.learning.mechanism, sent)
        total = self._gradients.clipped_sum(point, sent.indices, chosen, clip).total
        found: Reals = total.astype(np.float64) * (_uses(start) * clip / units_of_clip(len(sent.indices)))
        return found


class _Some:
    """Gradients of some of the examples, as if there were no others."""

    def __init__(self, gradients: Gradients, within: Chosen) -> None:
        self._gradients, self._within = gradients, within

    def __len__(self) -> int:
        return len(self._within)

    def clipped_sum(self, point: Reals, sent: npt.NDArray[np.uint32], chosen: Chosen, clip: float) -> ClippedSum:
        return self._gradients.clipped_sum(point, sent, self._within[chosen], clip)


def _uses(start: Start) -> float:
    """How often a round uses an example, on average."""
    mechanism = start.learning.mechanism
    return mechanism.local_steps * mechanism.sampling_rate_ppm / MICRO


def _summed(values: npt.NDArray[np.int64], start: Start) -> Reals:
    """The noisy sum of clipped gradients that an update stands for, shape (k,)."""
    learning = start.learning
    rate = learning.optimiser.learning_rate_micro / MICRO / divisor_of(learning)
    return -meaning(values, learning, start.sent) / rate


def _weight(start: Start) -> float:
    """One over the variance of a round's noise; of rounds without noise all weigh the same."""
    learning = start.learning
    deviation = learning.noise_multiplier_micro / MICRO * clip_of(learning.mechanism, start.sent)
    return 1.0 / (learning.mechanism.local_steps * deviation**2) if deviation else 1.0


def _matched(body: bytes, pulls: Reals) -> Reals:
    """How far the words of a ciphertext go where each example pulls, as if they were the numbers themselves."""
    words = np.frombuffer(body[: len(body) // 8 * 8], dtype="<u8").astype(np.float64) / 2.0**63 - 1.0
    found: Reals = words[np.arange(len(pulls)) * len(words) // len(pulls)] @ pulls
    return found
