"""The attack by a generator (Hitaj, Ateniese and Perez-Cruz 2017): one client of a cohort makes images of a class that
only others have.

It takes the shared model for a discriminator and trains a generator until the model calls its images that class. What
it makes it sends into the training, under a class of its own that the task has: so the others' updates have to tell
their images from its own, and show more of them. The generator is the adversary's, in torch; the rounds are the
product's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from client_agent.data.datasets import load_digits
from protocol.messages.learning import Layer, LearningTerms, ModelSpec
from protocol.model.dataset import Array, Examples
from protocol.model.initialization import initial_parameters
from protocol.model.trained import TrainedModel
from protocol.round.training import Assignment, Training
from scripts.evaluate.attacks.audited_terms import without_noise
from scripts.evaluate.attacks.training import trainers_for
from scripts.evaluate.centralised import scores
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.rounds import Course, Parameters, accuracy

Reals = npt.NDArray[np.float64]

TARGET: Final = 3  # the class of the victim alone
FAKE: Final = 10  # the class that nobody has
CLIENTS: Final = 5  # the first is the impostor, the second the victim
WHITE: Final = 16.0
PIXELS: Final = 64
LATENT: Final = 20
HIDDEN: Final = 64
MODEL: Final = ModelSpec(
    (PIXELS,),
    FAKE + 1,
    (
        Layer("linear", {"outputs": 40, "bias": 1}),
        Layer("tanh", {}),
        Layer("linear", {"outputs": FAKE + 1, "bias": 1}),
    ),
)
BEGIN: Final = 0.85  # accuracy of the shared model from which on it is worth the impostor's while, the paper's
GENERATED: Final = 40  # images in the impostor's data of a round
STEPS: Final = 100  # of the generator in a round
BATCH: Final = 64
RATE: Final = 2e-3
JUDGED: Final = 500  # generated images, at the end
_JUDGE_STEPS: Final = 400


@dataclass(frozen=True)
class Outcome:
    """``called``: share of generated images that a judge, trained outside of the task on all digits, calls the target;
    ``distance``: from them to the nearest image of the target, over that to the nearest of another class, mean;
    ``accuracy``: of the shared model at the end; ``rounds``: in which the impostor was at work."""

    called: float
    distance: float
    accuracy: float
    rounds: int


def impersonate(learning: LearningTerms, rounds: int, seed: int, progress: Progress) -> Outcome:
    """Always attacks in the last half of the rounds, before that as soon as the model is good enough.

    The impostor keeps to no terms of privacy: it adds no noise, since nobody would notice.
    """
    torch.manual_seed(seed)
    train, test = (part.labelled() for part in load_digits())
    shares, tested = _shares(*train, seed), _flat(test[0])
    own, others = shares[0], trainers_for(MODEL, shares[1:], learning, seed)
    model, generator, at_work = TrainedModel(initial_parameters(MODEL)), _generator(), 0
    optimiser = torch.optim.Adam(generator.parameters(), lr=RATE)
    for number in range(1, rounds + 1):
        examples = own
        good = accuracy(MODEL, model.parameters, tested, test[1])
        if good >= BEGIN or number > rounds // 2:
            _deceive(generator, optimiser, model.parameters)
            examples, at_work = _with_fakes(own, generator), at_work + 1
        course = Course(MODEL, learning, [_Dishonest(learning, examples), *others], seed)
        model = course.round(number, model, range(CLIENTS)).model
        progress.advance(number, rounds)
    made = _images(generator, JUDGED)
    called = float((_judge(*train)(torch.from_numpy(made)).argmax(dim=1) == TARGET).double().mean())
    return Outcome(called, _distance(made, *train), accuracy(MODEL, model.parameters, tested, test[1]), at_work)


class _Dishonest:
    """A :class:`~protocol.round.training.Trainer` that leaves the noise out."""

    def __init__(self, learning: LearningTerms, examples: Examples) -> None:
        self._terms = without_noise(learning)
        (self._trainer,) = trainers_for(MODEL, [examples], self._terms, 0)

    def train(self, assignment: Assignment) -> Training:
        return self._trainer.train(replace(assignment, learning=self._terms))


def _shares(images: Array, labels: Array, seed: int) -> list[Examples]:
    """All of the target class is the second client's, the rest is dealt out evenly."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(labels))
    turns = np.arange(len(labels)) % CLIENTS
    turns[labels[order] == TARGET] = 1
    return [
        _examples(_flat(images[order[turns == client]]), labels[order[turns == client]]) for client in range(CLIENTS)
    ]


def _examples(inputs: npt.NDArray[np.float32], labels: Array) -> Examples:
    return Examples({"inputs": inputs, "labels": labels.astype(np.uint8)})


def _flat(images: Array) -> npt.NDArray[np.float32]:
    return images.reshape(len(images), PIXELS).astype(np.float32) / np.float32(WHITE)


def _generator() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(LATENT, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, PIXELS),
        nn.Sigmoid(),
    )


def _deceive(generator: nn.Sequential, optimiser: torch.optim.Optimizer, parameters: Parameters) -> None:
    """Until the shared model, which stays as it is, calls what it makes the target."""
    fixed, wanted = torch.from_numpy(parameters), torch.full((BATCH,), TARGET)
    for _ in range(STEPS):
        optimiser.zero_grad()
        called = scores(MODEL, fixed, generator(torch.randn(BATCH, LATENT)))
        functional.cross_entropy(called, wanted).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _with_fakes(own: Examples, generator: nn.Sequential) -> Examples:
    inputs, labels = own.labelled()
    fakes = np.concatenate([inputs, _images(generator, GENERATED)])
    return _examples(fakes, np.concatenate([labels, np.full(GENERATED, FAKE)]))


def _images(generator: nn.Sequential, count: int) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        made: npt.NDArray[np.float32] = generator(torch.randn(count, LATENT)).numpy()
    return made


def _judge(images: Array, labels: Array) -> nn.Sequential:
    """Trained on everybody's real images; it is not the shared model, so nobody learned to deceive it."""
    judge = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, FAKE))
    optimiser = torch.optim.Adam(judge.parameters(), lr=1e-2)
    inputs, right = torch.from_numpy(_flat(images)), torch.from_numpy(labels.astype(np.int64))
    for _ in range(_JUDGE_STEPS):
        optimiser.zero_grad()
        functional.cross_entropy(judge(inputs), right).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return judge


def _distance(made: npt.NDArray[np.float32], images: Array, labels: Array) -> float:
    """Below one where the nearest real image is of the target."""
    real = _flat(images)
    apart = np.sqrt(((made[:, None] - real[None]) ** 2).sum(axis=2))
    target, others = apart[:, labels == TARGET].min(axis=1), apart[:, labels != TARGET].min(axis=1)
    return float((target / np.maximum(others, 1e-9)).mean())
