"""One example moves a sum by at most the clip, whatever the parameters; numpy and torch take the same gradients."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from client_agent.privacy.clipping import clip_factors
from client_agent.training import linear_gradients, torch_gradients
from client_agent.training.dp_sgd import Gradients
from client_agent.training.linear_gradients import LinearGradients
from client_agent.training.torch_gradients import TorchGradients
from protocol.messages.task import ModelSpec
from protocol.model.architectures import forward
from protocol.model.evaluation import fixed_features
from protocol.model.specification import dimension_of
from tests.unit.client_agent.scene_learning import CONVOLUTION, DEEP, LINEAR, NO_BIAS, examples

Ways = tuple[type[LinearGradients] | type[TorchGradients], ModelSpec]
WAYS: list[Ways] = [
    *((LinearGradients, model) for model in (LINEAR, NO_BIAS)),
    *((TorchGradients, model) for model in (LINEAR, NO_BIAS, DEEP, CONVOLUTION)),
]
ROUNDING = 1e-9


def _point(model: ModelSpec, scale: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """Parameters as a task has them: single precision."""
    values = np.random.default_rng(seed).normal(0.0, 1.0, dimension_of(model)) * scale
    return values.astype(np.float32).astype(np.float64)


def _gradients(way: Ways, count: int, seed: int) -> Gradients:
    kind, model = way
    return kind(model, *examples(count, seed, model.input_shape))


def _all(gradients: Gradients) -> npt.NDArray[np.int64]:
    return np.arange(len(gradients))


def _one_by_one(
    model: ModelSpec, point: npt.NDArray[np.float64], count: int, seed: int, clip: float
) -> tuple[npt.NDArray[np.float64], list[float]]:
    """Sum and norms by the definition, with autograd in double precision."""
    images, labels = examples(count, seed, model.input_shape)
    total, norms = np.zeros(len(point)), []
    for one, label in zip(torch.from_numpy(fixed_features(model, images)), labels, strict=True):
        parameters = torch.from_numpy(point).requires_grad_()
        loss = functional.cross_entropy(forward(model, parameters, one[None]), torch.tensor([int(label)]))
        gradient = torch.autograd.grad(loss, parameters)[0].numpy()
        norms.append(float(np.linalg.norm(gradient)))
        total += min(1.0, clip / max(norms[-1], 1e-12)) * gradient
    return total, norms


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("clip", [0.2, 30.0, 1e6])
def test_the_sum_by_its_definition(way: Ways, clip: float) -> None:
    point, gradients = _point(way[1], 0.01), _gradients(way, 20, 1)
    expected, norms = _one_by_one(way[1], point, 20, 1, clip)
    found = gradients.clipped_sum(point, _all(gradients), clip)
    assert np.linalg.norm(found.total - expected) < 1e-5 * np.linalg.norm(expected)
    np.testing.assert_allclose(found.norms, norms, rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    model=st.sampled_from([LINEAR, NO_BIAS]),
    count=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 1e-4, 1e-2]),
    clip=st.floats(1e-3, 1e3),
)
def test_numpy_and_torch_agree(model: ModelSpec, count: int, seed: int, scale: float, clip: float) -> None:
    """Torch's scores are single precision: sums of 12 products below 255 * 0.06 are off by at most 12 * 2^-24 * 184, an
    error of a class is off by no more, and a gradient g by the length of its input (below 884) times that. Clipping
    brings two points no further apart, and by 2 clip / |g| closer where that is less than one."""
    point = _point(model, scale, seed)
    ours, theirs = (kind(model, *examples(count, seed)) for kind in (LinearGradients, TorchGradients))
    chosen = np.random.default_rng(seed).permutation(count)[: 1 + count // 2]
    one, other = (way.clipped_sum(point, chosen, clip) for way in (ours, theirs))
    off = 12 * 2.0**-24 * 184 * 884
    np.testing.assert_allclose(one.norms, other.norms, rtol=1e-6, atol=2 * off)
    assert np.linalg.norm(one.total - other.total) <= 2 * off * clip_factors(one.norms, 2 * clip).sum()


@pytest.mark.parametrize("way", WAYS)
def test_chunks_change_nothing_but_rounding(way: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    point, gradients = _point(way[1], 0.01), _gradients(way, 23, 3)
    whole = gradients.clipped_sum(point, _all(gradients), 0.5)
    monkeypatch.setattr(torch_gradients, "CHUNK_NUMBERS", 4 * dimension_of(way[1]))
    monkeypatch.setattr(linear_gradients, "CHUNK_NUMBERS", 4 * 12)
    pieces = gradients.clipped_sum(point, _all(gradients), 0.5)
    np.testing.assert_allclose(pieces.total, whole.total, atol=1e-6)
    np.testing.assert_allclose(pieces.norms, whole.norms, rtol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_no_example_is_a_zero_sum(way: Ways) -> None:
    found = _gradients(way, 1, 4).clipped_sum(_point(way[1], 1.0), np.zeros(0, dtype=np.int64), 1.0)
    assert not found.total.any()
    assert found.norms.shape == (0,)


@settings(max_examples=60, deadline=None)
@given(
    way=st.sampled_from(WAYS),
    count=st.integers(0, 6),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e4, 1e19, 1e37]),
    clip=st.floats(1e-3, 1e3),
)
def test_one_example_moves_the_sum_by_at_most_the_clip(
    way: Ways, count: int, seed: int, scale: float, clip: float
) -> None:
    point, gradients = _point(way[1], scale, seed), _gradients(way, count + 1, seed)
    without = gradients.clipped_sum(point, _all(gradients)[:-1], clip).total
    with_it = gradients.clipped_sum(point, _all(gradients), clip).total
    assert np.linalg.norm(with_it - without) <= clip * (1 + (count + 1) * ROUNDING)


@pytest.mark.parametrize("kind", [LinearGradients, TorchGradients])
def test_the_clip_is_reached(kind: type[LinearGradients] | type[TorchGradients]) -> None:
    found = _gradients((kind, LINEAR), 1, 5).clipped_sum(_point(LINEAR, 0.0), np.zeros(1, dtype=np.int64), 0.25)
    assert np.linalg.norm(found.total) == pytest.approx(0.25, rel=1e-12)


def test_a_gradient_of_length_zero_stays_zero() -> None:
    assert clip_factors(np.array([0.0, 0.5, 2.0]), 1.0).tolist() == [1.0, 1.0, 0.5]
