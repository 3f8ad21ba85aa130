"""A task whose terms are those of a run with attackers, and the households that enrol in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.encryption.committee import draw_master_keys
from protocol.encryption.port import largest_value
from protocol.encryption.suite import PAD
from protocol.identifiers import Digest
from protocol.messages.learning import (
    MICRO,
    EncodingTerms,
    Layer,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    QuantiserTerms,
    SparsityTerms,
)
from protocol.messages.screening_terms import ScreeningTerms
from protocol.messages.task import (
    CohortTerms,
    Committee,
    DepositTerms,
    Durations,
    PrivacyTerms,
    ReputationTerms,
    RewardTerms,
    ScheduleTerms,
    TaskSpec,
)
from protocol.model.dataset import encode_labelled
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.randomness import SeededRandomness
from protocol.round.reference import Household
from protocol.round.training import Assignment, Training
from protocol.round.update_noise import unit_of
from protocol.screening.norms import PPM
from protocol.signing import address_of
from protocol.task.runnable import check_runnable
from protocol.task.screenable import PACKING, noise_hides
from protocol.version import SPEC_VERSION
from scripts.evaluate.poisoned.clients import Images, images
from scripts.evaluate.poisoned.defences import Scale
from scripts.evaluate.poisoned.setting import Setting, screening_terms
from scripts.evaluate.poisoned.softmax import CLASSES, Reals

DOMAIN: Final = Domain(31337, bytes(range(20)))
TASK: Final = 1
AUTHORITIES: Final = 5  # two of them open a sum, three inner products
BITS: Final = 20  # room for updates ten times as long as honest ones
INITIAL: Final = (
    12  # reputation: below the largest, and above the floor for so many rounds, so that everybody is planned
)
_BRIGHTEST: Final = 255
_SHARE_PPM: Final = 100_000  # of a household's examples in a step

LabelledSet = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class TaskScale(Scale):
    """As the task's terms have it: ``quantised`` is its unit, ``energy`` its E."""

    quantised: float
    energy: int

    @property
    def unit(self) -> float:
        return self.quantised

    @property
    def noise(self) -> int:
        return self.energy


class Told:
    """A trainer that gives what it is told."""

    def __init__(self, dimension: int) -> None:
        self.delta: Reals = np.zeros(dimension)

    def train(self, assignment: Assignment) -> Training:
        return Training(self.delta[assignment.sent.indices], ())


def key_of(role: str, number: int) -> bytes:
    """A fixed secp256k1 key, of evaluations alone."""
    return sha256(b"hearth evaluation %s %d" % (role.encode(), number)).digest()


def authorities() -> dict[int, bytes]:
    """Private keys by position."""
    return {j: key_of("authority", j) for j in range(1, AUTHORITIES + 1)}


def households(clients: int, dimension: int, seed: int) -> list[tuple[Household, Told]]:
    """Ascending by address, so that the place of each is its rank."""
    found = []
    for key in sorted((key_of("client", number) for number in range(clients)), key=address_of):
        randomness, trainer = SeededRandomness(key + b" seed %d" % seed), Told(dimension)
        keys = draw_master_keys(randomness, AUTHORITIES, 2, "enrolment")
        found.append((Household(key, keys, trainer, randomness), trainer))
    return found


def labelled(data: Images) -> LabelledSet:
    """The test set with the column of ones as bright as a pixel can be; no answer depends on how bright all are."""
    return np.rint(data.test * _BRIGHTEST).astype(np.uint8), data.test_labels.astype(np.uint8)


def task_of(setting: Setting) -> tuple[TaskSpec, LabelledSet]:
    """Its updates are as long, and as noisy, as those of the run. Raises SpecError where no such task can run."""
    data = images(setting.dataset)
    inputs, clients, members = data.pixels.shape[1], setting.clients, authorities()
    model, test_set = ModelSpec((inputs,), CLASSES, (Layer("linear", {"outputs": CLASSES, "bias": 0}),)), labelled(data)
    scale = Scale(CLASSES * inputs, setting.step.longest, setting.step.deviation)
    rewards = RewardTerms(participation=600_000, contribution=400_000, target_gain_ppm=50_000)
    spec = TaskSpec(
        version=SPEC_VERSION,
        title=f"attackers: {setting.attack}",
        suite=PAD,
        model=model,
        initial_model=_digest(Layout.of(model).to_safetensors(initial_parameters(model))),
        test_set=_digest(encode_labelled(*test_set)),
        rounds=setting.rounds,
        confirmations=0,
        edge_server=address_of(key_of("edge server", 0)),
        committee=Committee(2, tuple(map(address_of, members.values())), 1),
        learning=_learning(setting, scale),
        privacy=PrivacyTerms(epsilon_budget_micro=1_000 * MICRO, delta_exponent=5, accountant="PLD/1"),
        cohort=CohortTerms(min_clients=2, max_clients=clients, max_cohort=clients, max_share_ppm=PPM),
        reputation=ReputationTerms(INITIAL, floor=1, maximum=15, waiting_rounds=1),
        rewards=rewards,
        durations=Durations(600, 600, 60, 600, 30 * 86_400, 86_400, 60, 300),
        schedule=ScheduleTerms(training_seconds=60, max_examples=setting.step.batch),
        deposits=DepositTerms(edge_server=clients * rewards.participation),
        screening=screening_terms(setting, scale),
    )
    if not noise_hides(spec):  # else a copy is mostly noise, and a lower cosine tells it
        spec = replace(spec, screening=replace(spec.screening, copy_ppm=ScreeningTerms().copy_ppm))
    check_runnable(spec)
    return spec, test_set


def scale_of(setting: Setting, spec: TaskSpec, energy: int) -> TaskScale:
    """``energy``: of the noise in one update, by the task's terms."""
    quantiser, dimension = spec.learning.quantiser, Layout.of(spec.model).dimension
    return TaskScale(dimension, setting.step.longest, setting.step.deviation, float(unit_of(quantiser)), energy)


def _learning(setting: Setting, scale: Scale) -> LearningTerms:
    step = setting.step
    return LearningTerms(
        mechanism=MechanismTerms(
            local_steps=1,
            sampling_rate_ppm=_SHARE_PPM,
            clip_micro=round(step.clip * MICRO),
            noise_multiplier_micro=round(step.noise * MICRO),
        ),
        optimiser=OptimiserTerms(round(step.rate * MICRO), step.batch * MICRO // _SHARE_PPM),
        sparsity=SparsityTerms(MICRO, MICRO),
        quantiser=QuantiserTerms(ceil(scale.unit * largest_value(BITS) * MICRO), BITS),
        encoding=EncodingTerms(PACKING),
    )


def _digest(data: bytes) -> Digest:
    return cid_of(data).digest
