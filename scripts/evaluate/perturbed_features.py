"""The split of paper B (Zhao et al. 2021), simulated in torch: phones normalise features and add noise, the edge server
trains what follows on them. No product code, and no guarantee: epsilon is that of one number of one example.

Settings as far as the paper gives them: two convolutions of 30 and 80 channels with pooling, Laplace noise of scale
sensitivity / epsilon on every number. The convolutions stay as they were drawn, and the head is smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from client_agent.data.datasets import load_mnist
from client_agent.data.partition import equal_partition
from scripts.demonstration.data_folder import data_folder
from scripts.evaluate.evaluation import Progress

Method = Literal["position", "batch"]

CHANNELS: Final = (30, 80)
SIDE: Final = 7  # of a feature map
WIDTH: Final = CHANNELS[1] * SIDE * SIDE
HEAD: Final = (128, 50, 20, 10)
CLIENTS: Final = 10
MOMENTUM: Final = 0.9
LONGEST: Final = 5.0  # of a gradient of a batch
KEPT: Final = 0.9  # of the running statistics, at every batch
FEATURES_SEED: Final = 0  # the convolutions are the same for all runs: what differs is noise, order and head
_CHUNK: Final = 500
_LEAST: Final = 1e-12


@dataclass(frozen=True)
class Setting:
    """``epsilon``: of one number, in one batch; None for no noise. ``batch``: N."""

    method: Method
    epsilon: float | None
    batch: int
    rounds: int
    images: int  # of a client
    learning_rate: float = 0.03

    @property
    def sensitivity(self) -> float:
        """Of a normalised number, which stays within the square root of one less than how many are normalised
        together, on both sides."""
        together = self.batch if self.method == "position" else self.batch * SIDE * SIDE
        return 2.0 * sqrt(together - 1)

    @property
    def scale(self) -> float:
        """Of the Laplace noise."""
        return 0.0 if self.epsilon is None else self.sensitivity / self.epsilon


@dataclass(frozen=True)
class Outcome:
    """Share of right answers on test images whose features have no noise, and on ones whose features have it."""

    clean: float
    noisy: float


@dataclass
class Statistics:
    """Running mean and variance of a client's batches, for tests."""

    mean: Tensor
    variance: Tensor

    def follow(self, mean: Tensor, variance: Tensor) -> None:
        self.mean = KEPT * self.mean + (1.0 - KEPT) * mean
        self.variance = KEPT * self.variance + (1.0 - KEPT) * variance


def normalised(features: Tensor, method: Method) -> tuple[Tensor, Tensor, Tensor]:
    """``features`` (N, channels, side, side) less their mean, over their deviation; then both, squared the second.

    ``position``: over the batch at each position. ``batch``: over batch and positions of each channel. What does not
    vary is zero.
    """
    over = [0] if method == "position" else [0, 2, 3]
    mean = features.mean(dim=over, keepdim=True)
    variance = features.var(dim=over, unbiased=False, keepdim=True)
    return _scaled(features, mean, variance), mean, variance


def play(setting: Setting, tested: int, seed: int, progress: Progress) -> Outcome:
    """Federated averaging of the head with one local epoch a round, then a test on ``tested`` images."""
    features, labels = _features(CLIENTS * setting.images, train=True)
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.from_numpy(part) for part in equal_partition(len(labels), CLIENTS, setting.images, seed)]
    head = _head(generator)
    start = Statistics(torch.zeros(1), torch.ones(1))
    statistics = [Statistics(start.mean, start.variance) for _ in parts]
    for number in range(setting.rounds):
        before, states = _copied(head), []
        for part, running in zip(parts, statistics, strict=True):
            head.load_state_dict(before)
            _train(head, features[part], labels[part], setting, running, generator)
            states.append(_copied(head))
        head.load_state_dict({name: torch.stack([state[name] for state in states]).mean(dim=0) for name in before})
        progress.advance(number + 1, setting.rounds)
    mean = torch.stack([one.mean for one in statistics]).mean(dim=0)
    variance = torch.stack([one.variance for one in statistics]).mean(dim=0)
    inputs, right = _features(tested, train=False)
    clean = _scaled(inputs, mean, variance)
    return Outcome(_accuracy(head, clean, right), _accuracy(head, _perturbed(clean, setting, generator), right))


def _train(
    head: nn.Sequential,
    features: Tensor,
    labels: Tensor,
    setting: Setting,
    running: Statistics,
    generator: torch.Generator,
) -> None:
    """One epoch over whole batches: of a smaller one the sensitivity would be another."""
    optimiser = torch.optim.SGD(head.parameters(), lr=setting.learning_rate, momentum=MOMENTUM)
    for chosen in torch.split(torch.randperm(len(labels), generator=generator), setting.batch):
        if len(chosen) < setting.batch:
            continue
        values, mean, variance = normalised(features[chosen], setting.method)
        running.follow(mean, variance)
        optimiser.zero_grad()
        functional.cross_entropy(head(_perturbed(values, setting, generator)), labels[chosen]).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(head.parameters(), LONGEST)
        optimiser.step()


def _perturbed(values: Tensor, setting: Setting, generator: torch.Generator) -> Tensor:
    """With noise, and again of variance one; as they are without noise."""
    if not setting.scale:
        return values
    uniform = torch.rand(values.shape, generator=generator) - 0.5
    laplace = -torch.sign(uniform) * torch.log1p(-2.0 * uniform.abs().clamp(max=0.5 - 1e-7))
    return (values + setting.scale * laplace) / sqrt(1.0 + 2.0 * setting.scale**2)


def _scaled(features: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return (features - mean) / torch.sqrt(variance.clamp(min=_LEAST)) * (variance > _LEAST)


def _head(generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    before = WIDTH
    for width in HEAD:
        linear = nn.Linear(before, width)
        with torch.no_grad():
            for tensor in (linear.weight, linear.bias):
                tensor.copy_((2.0 * torch.rand(tensor.shape, generator=generator) - 1.0) / sqrt(before))
        layers += [linear, nn.ReLU()]
        before = width
    return nn.Sequential(*layers[:-1])


def _copied(head: nn.Sequential) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in head.state_dict().items()}


def _accuracy(head: nn.Sequential, inputs: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float((head(inputs).argmax(dim=1) == labels).double().mean())


@lru_cache(maxsize=2)
def _features(count: int, train: bool) -> tuple[Tensor, Tensor]:
    """What the convolutions make of the first ``count`` images, (n, 80, 7, 7), and the labels."""
    images, labels = load_mnist(data_folder() / "mnist")[0 if train else 1].labelled()
    generator = torch.Generator().manual_seed(FEATURES_SEED)
    kernels = [
        (2.0 * torch.rand((out, into, 3, 3), generator=generator) - 1.0) / sqrt(9 * into)
        for into, out in zip((1, CHANNELS[0]), CHANNELS, strict=True)
    ]
    pieces = []
    for start in range(0, count, _CHUNK):
        values = torch.from_numpy(images[start : min(start + _CHUNK, count)].astype(np.float32) / 255.0)
        for kernel in kernels:
            values = functional.max_pool2d(functional.relu(functional.conv2d(values, kernel, padding=1)), 2)
        pieces.append(values)
    return torch.cat(pieces), torch.from_numpy(labels[:count].astype(np.int64))
