"""The trainer of one data set, and a household's, which always has the newest examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from client_agent.data.loader import Loader
from client_agent.privacy.correlated_noise import CorrelatedNoise
from client_agent.privacy.held_out import Coins
from client_agent.privacy.selection import kept_within
from client_agent.training.dp_sgd import NONE_HELD_OUT, Admission, Named, lengths_of
from client_agent.training.kinds import Ask, Material, owners_of, trainer_of
from protocol.errors import MalformedError, Party
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec
from protocol.messages.task import TaskSpec
from protocol.model.dataset import OWNERS, Examples, labelled_for, usable
from protocol.model.specification import dimension_of
from protocol.privacy.figure import Unit
from protocol.privacy.mechanisms import kind_of
from protocol.randomness import Randomness, SeededRandomness
from protocol.round.training import Assignment, Trainer, Training
from protocol.sparse.index_set import everything, select

MAX_SYNTHETIC_NUMBERS: Final = 2**26  # in all inputs together


class Household(Trainer, Protocol):
    """A trainer on examples that can be looked at before anything is agreed."""

    def check(self) -> int:
        """How many there are. Raises DataMissingError, and MalformedError unless the task can use every one."""
        ...

    def held_out_lengths(self, parameters: npt.NDArray[np.float32], learning: LearningTerms) -> npt.NDArray[np.uint16]:
        """Of each held-out example's whole clipped gradient at ``parameters``, in LENGTH_PARTS of the clip; shape (n,).

        Raises what ``train`` does.
        """
        ...

    def noise_alone(self, learning: LearningTerms) -> Trainer:
        """The same with none of the examples, whatever they are."""
        ...


class Budgets(Protocol):
    def admission(self, learning: LearningTerms, names: npt.NDArray[np.uint64]) -> Admission:
        """To the next training, of trained examples with ``names``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One content of a household's data: what is trained on, and what is held out at the rate of the task."""

    examples: Examples
    rate_ppm: int
    trained: Material | None
    held_out: Material | None


class FixedTrainer:
    """Of examples that stay as they are, by whatever mechanism the terms of a training name."""

    def __init__(self, material: Material, held_out: Named, admission: Admission | None, secret: bytes | None) -> None:
        self._material, self._held_out, self._admission = material, held_out, admission
        self._noise = None if secret is None else correlated_noise(secret)

    def train(self, assignment: Assignment) -> Training:
        trainer = trainer_of(Ask(assignment.learning, self._material, self._noise, self._held_out, self._admission))
        return trainer.train(assignment)


def trainer_for(
    model: ModelSpec,
    examples: Examples,
    held_out: Named = NONE_HELD_OUT,
    admission: Admission | None = None,
    secret: bytes | None = None,
) -> Trainer:
    """``secret``: 32 bytes of one household and one task, without which no mechanism can be trained for whose noise
    spans several rounds. Raises MalformedError for data that do not fit the model."""
    labelled_for(model, examples)
    names = None if secret is None else Coins(lambda: secret).names(examples)
    return FixedTrainer(Material(model, examples, names), held_out, admission, secret)


def correlated_noise(secret: bytes) -> CorrelatedNoise:
    """``secret``: 32 bytes of one enrolment."""
    return CorrelatedNoise(SeededRandomness(secret).draw)


class HouseholdTrainer:
    """A :class:`Household` that asks ``loader`` before every training.

    What became unusable after the consent is left out, and counted for its owner alone. So is every row from
    ``max_examples`` on: by its place, so that no example decides about another.
    """

    def __init__(
        self,
        model: ModelSpec,
        loader: Loader,
        max_examples: int,
        tell: Callable[[str], None],
        coins: Coins | None = None,
        budgets: Budgets | None = None,
        enrolment_secret: Callable[[], bytes] | None = None,
        by_appliance: bool = False,
    ) -> None:
        """``coins``: without them no task can be trained for that holds examples out. ``budgets``: of an owner who
        gives every example one of its own. ``enrolment_secret``: durable, of no other enrolment, asked for when noise
        spans several rounds; such tasks cannot be trained for without it. ``by_appliance``: the task's unit is one."""
        self._model, self._loader, self._most, self._tell = model, loader, max_examples, tell
        self._coins, self._budgets, self._secret = coins, budgets, enrolment_secret
        self._by_appliance = by_appliance
        self._noise: CorrelatedNoise | None = None
        self._split: Split | None = None

    def check(self) -> int:
        examples = self._loader.load()
        _, labels = labelled_for(self._model, examples)
        if len(labels) > self._most:
            raise MalformedError(f"{len(labels)} examples where the task takes {self._most} from one household")
        if self._by_appliance:
            owners_of(examples)
        return len(labels)

    def train(self, assignment: Assignment) -> Training:
        learning = assignment.learning
        split = self._examples(learning)
        held_out = _named(split.held_out, learning)
        budgets = self._budgets if learning.mechanism.unit == Unit.EXAMPLE else None
        names = _named(split.trained, learning).names
        admission = None if budgets is None else budgets.admission(learning, names)
        trainer = trainer_of(Ask(learning, split.trained, self._noise_for(learning), held_out, admission))
        return trainer.train(assignment)

    def noise_alone(self, learning: LearningTerms) -> Trainer:
        return trainer_of(Ask(learning, None, self._noise_for(learning)))

    def held_out_lengths(self, parameters: npt.NDArray[np.float32], learning: LearningTerms) -> npt.NDArray[np.uint16]:
        point, clip = parameters.astype(np.float64), learning.mechanism.clip_micro / MICRO
        held_out = _named(self._examples(learning).held_out, learning)
        return lengths_of(held_out.gradients, point, everything(len(point)), clip)

    def _noise_for(self, learning: LearningTerms) -> CorrelatedNoise | None:
        if self._noise is None and self._secret is not None and kind_of(learning.mechanism).along_the_task:
            self._noise = correlated_noise(self._secret())
        return self._noise

    def _examples(self, learning: LearningTerms) -> Split:
        """As they are now; only those that can be used."""
        examples, rate_ppm = self._loader.load(), learning.bayesian.held_out_ppm
        if self._split is None or self._split.examples is not examples or self._split.rate_ppm != rate_ppm:
            self._split = self._split_of(examples, rate_ppm)
        return self._split

    def _split_of(self, examples: Examples, rate_ppm: int) -> Split:
        fits = usable(self._model, examples)
        fits[self._most :] = False
        if not fits.all():
            self._tell(f"{np.count_nonzero(~fits)} of {len(examples)} examples cannot be used and are left out")
        names, held = None, np.zeros(len(examples), dtype=np.bool_)
        if self._coins is not None:
            names, held = self._coins.names(examples), self._coins.held_out(examples, rate_ppm)
        else:
            assert not rate_ppm  # its examples would be trained on
        trained, held_out = (self._material(examples, names, np.flatnonzero(fits & part)) for part in (~held, held))
        return Split(examples, rate_ppm, trained, held_out)

    def _material(
        self, examples: Examples, names: npt.NDArray[np.uint64] | None, chosen: npt.NDArray[np.int64]
    ) -> Material | None:
        if not len(chosen):
            return None
        return Material(self._model, examples.take(chosen), None if names is None else names[chosen])


def _named(material: Material | None, learning: LearningTerms) -> Named:
    if material is None:
        return NONE_HELD_OUT
    names = np.arange(len(material.examples), dtype=np.uint64) if material.names is None else material.names
    return Named(names, material.gradients(learning))


class _AdmitAll:
    """Every length is asked for, and nobody is left out."""

    names = np.zeros(0, dtype=np.uint64)

    def admit(self, lengths: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
        return np.ones(len(lengths), dtype=np.bool_)


def seconds_of_a_round(
    spec: TaskSpec, randomness: Randomness, clock: Callable[[], float], with_budgets: bool = False
) -> float:
    """What one training takes with as many examples as the task allows a household; none of them is real.

    ``with_budgets``: of examples that have budgets of their own. Held-out ones come on top of all others.
    Raises MalformedError where so many would not fit into this phone's memory.
    """
    count, shape = spec.schedule.max_examples, spec.model.input_shape
    if count * prod(shape) > MAX_SYNTHETIC_NUMBERS:
        raise MalformedError(f"{count} examples of shape {shape} are more than a phone holds", fault=Party.MANUFACTURER)
    parameters = np.zeros(dimension_of(spec.model), dtype=np.float32)
    started = clock()
    labels = np.zeros(count, dtype=np.uint8)
    blank = Examples(
        {"inputs": np.zeros((count, *shape), dtype=np.uint8), "labels": labels, OWNERS: np.arange(count)}
    )  # each is an appliance of its own, which takes longest
    sent = select(ZERO_DIGEST, spec.model, spec.learning, spec.rounds)  # noise that spans rounds spans all
    names = np.full(count, spec.rounds, dtype=np.uint64)  # it is the turn of each
    material = Material(spec.model, blank, names)
    some_held_out = np.arange(-(-count * spec.learning.bayesian.held_out_ppm // MICRO))
    held_out = Material(spec.model, blank.take(some_held_out), names[some_held_out]) if len(some_held_out) else None
    noise = correlated_noise(randomness.draw("measurement/secret", 32))
    admission = _AdmitAll() if with_budgets else None
    trainer = trainer_of(Ask(spec.learning, material, noise, _named(held_out, spec.learning), admission))
    trainer.train(Assignment(parameters, spec.learning, sent, randomness, "measurement"))
    if spec.learning.bayesian.selection_epsilon_micro:
        kept_within(np.zeros(len(some_held_out), dtype=np.uint16), spec.learning, 1)
    return clock() - started
