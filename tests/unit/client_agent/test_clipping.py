"""One example moves a sum by at most the clip, whatever the parameters; the short way equals the long way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from client_agent.privacy import clipping
from client_agent.privacy.clipping import clipped_gradient_sum
from protocol.messages.task import ModelSpec
from protocol.model.architectures import forward
from protocol.model.evaluation import fixed_features
from protocol.model.specification import dimension_of
from tests.unit.client_agent.scene_learning import CONVOLUTION, DEEP, LINEAR, NO_BIAS, examples

MODELS = [LINEAR, NO_BIAS, DEEP, CONVOLUTION]
ROUNDING = 1e-9


def _parameters(model: ModelSpec, scale: float, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).normal(0.0, 1.0, dimension_of(model)) * scale
    return torch.from_numpy(values.astype(np.float32))


def _data(model: ModelSpec, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = examples(count, seed, model.input_shape)
    return torch.from_numpy(fixed_features(model, images)).float(), torch.from_numpy(labels.astype(np.int64))


def _one_by_one(
    model: ModelSpec, parameters: torch.Tensor, inputs: torch.Tensor, labels: torch.Tensor, clip: float
) -> npt.NDArray[np.float64]:
    """By the definition, with autograd."""
    total = np.zeros(len(parameters))
    for one, label in zip(inputs, labels, strict=True):
        point = parameters.clone().requires_grad_()
        loss = functional.cross_entropy(forward(model, point, one[None]), label[None])
        gradient = torch.autograd.grad(loss, point)[0].double().numpy()
        total += min(1.0, clip / max(float(np.linalg.norm(gradient)), 1e-12)) * gradient
    return total


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("clip", [0.2, 30.0, 1e6])
def test_the_sum_by_its_definition(model: ModelSpec, clip: float) -> None:
    parameters, (inputs, labels) = _parameters(model, 0.01), _data(model, 20, 1)
    expected = _one_by_one(model, parameters, inputs, labels, clip)
    found = clipped_gradient_sum(model, parameters, inputs, labels, clip)
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("model", [LINEAR, NO_BIAS])
@pytest.mark.parametrize("clip", [0.2, 30.0, 1e6])
def test_the_short_way_equals_the_long_way(model: ModelSpec, clip: float, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters, (inputs, labels) = _parameters(model, 0.01), _data(model, 50, 2)
    short = clipped_gradient_sum(model, parameters, inputs, labels, clip)
    monkeypatch.setattr(clipping, "_is_linear", lambda model: False)
    long = clipped_gradient_sum(model, parameters, inputs, labels, clip)
    assert np.linalg.norm(short - long) < 1e-5 * np.linalg.norm(long)


@pytest.mark.parametrize("model", MODELS)
def test_chunks_change_nothing_but_rounding(model: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters, (inputs, labels) = _parameters(model, 0.01), _data(model, 23, 3)
    whole = clipped_gradient_sum(model, parameters, inputs, labels, 0.5)
    monkeypatch.setattr(clipping, "CHUNK_NUMBERS", 4 * dimension_of(model))
    np.testing.assert_allclose(clipped_gradient_sum(model, parameters, inputs, labels, 0.5), whole, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_no_example_is_a_zero_sum(model: ModelSpec) -> None:
    inputs, labels = _data(model, 1, 4)
    assert not clipped_gradient_sum(model, _parameters(model, 1.0), inputs[:0], labels[:0], 1.0).any()


@settings(max_examples=60, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    count=st.integers(0, 6),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e4, 1e19, 1e37]),
    clip=st.floats(1e-3, 1e3),
)
def test_one_example_moves_the_sum_by_at_most_the_clip(
    model: ModelSpec, count: int, seed: int, scale: float, clip: float
) -> None:
    parameters, (inputs, labels) = _parameters(model, scale, seed), _data(model, count + 1, seed)
    without = clipped_gradient_sum(model, parameters, inputs[:-1], labels[:-1], clip)
    with_it = clipped_gradient_sum(model, parameters, inputs, labels, clip)
    assert np.linalg.norm(with_it - without) <= clip * (1 + (count + 1) * ROUNDING)


def test_the_clip_is_reached() -> None:
    inputs, labels = _data(LINEAR, 1, 5)
    found = clipped_gradient_sum(LINEAR, _parameters(LINEAR, 0.0), inputs, labels, 0.25)
    assert np.linalg.norm(found) == pytest.approx(0.25, rel=1e-12)
