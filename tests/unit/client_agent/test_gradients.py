"""Sums of clipped gradients by their definition, with torch's derivatives as the other side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from client_agent.training import gradients as module
from protocol.messages.task import ModelSpec
from protocol.model.evaluation import fixed_features
from protocol.model.specification import dimension_of
from scripts.evaluate.centralised import scores
from tests.unit.client_agent.scene_learning import CONVOLUTION, LINEAR, SMALL, examples, gradients_of, point_of

Reals = npt.NDArray[np.float64]


def _one_by_one(model: ModelSpec, point: Reals, count: int, seed: int, clip: float) -> tuple[Reals, list[float]]:
    """Sum and norms by the definition, with torch's autograd in double precision."""
    images, labels = examples(count, seed, model.input_shape)
    total, norms = np.zeros(len(point)), []
    for one, label in zip(torch.from_numpy(fixed_features(model, images)), labels, strict=True):
        parameters = torch.from_numpy(point).requires_grad_()
        loss = functional.cross_entropy(scores(model, parameters, one[None]), torch.tensor([int(label)]))
        gradient = torch.autograd.grad(loss, parameters)[0].numpy()
        norms.append(float(np.linalg.norm(gradient)))
        total += min(1.0, clip / max(norms[-1], 1e-12)) * gradient
    return total, norms


@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize("clip", [0.2, 30.0, 1e6])
def test_the_sum_by_its_definition(model: ModelSpec, clip: float) -> None:
    point, gradients = point_of(model, 0.01), gradients_of(model, 20, 1)
    expected, norms = _one_by_one(model, point, 20, 1, clip)
    found = gradients.clipped_sum(point, np.arange(20), clip)
    assert np.linalg.norm(found.total - expected) < 1e-9 * np.linalg.norm(expected)
    np.testing.assert_allclose(found.norms, norms, rtol=1e-9)


@pytest.mark.parametrize("model", SMALL)
def test_chunks_change_nothing_but_the_rounding_of_the_sum(model: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    point = point_of(model, 0.01)
    whole = gradients_of(model, 23, 3).clipped_sum(point, np.arange(23), 0.5)
    monkeypatch.setattr(module, "CHUNK_NUMBERS", 4 * dimension_of(model))
    pieces = gradients_of(model, 23, 3).clipped_sum(point, np.arange(23), 0.5)
    np.testing.assert_allclose(pieces.total, whole.total, atol=1e-12)
    assert pieces.norms.tobytes() == whole.norms.tobytes()


@pytest.mark.parametrize("model", SMALL)
def test_no_example_is_a_zero_sum(model: ModelSpec) -> None:
    found = gradients_of(model, 1, 4).clipped_sum(point_of(model, 1.0), np.zeros(0, dtype=np.int64), 1.0)
    assert not found.total.any()
    assert found.norms.shape == (0,)


@pytest.mark.parametrize("model", [LINEAR, CONVOLUTION])
def test_the_clip_is_reached(model: ModelSpec) -> None:
    found = gradients_of(model, 1, 5).clipped_sum(point_of(model, 0.01), np.zeros(1, dtype=np.int64), 0.25)
    assert 0.25 * (1 - 1e-11) < np.linalg.norm(found.total) <= 0.25
