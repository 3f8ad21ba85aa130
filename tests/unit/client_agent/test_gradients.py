"""Sums of clipped gradients by their definition, with torch's derivatives as the other side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from client_agent.privacy.clipping import units_of_clip
from client_agent.training import gradients as module
from client_agent.training.gradients import Gradients
from protocol.messages.learning import MICRO, ModelSpec
from protocol.model.evaluation import fixed_features
from protocol.model.specification import dimension_of
from scripts.evaluate.centralised import scores
from tests.unit.client_agent.scene_learning import (
    CONVOLUTION,
    LINEAR,
    NUMBER,
    SMALL,
    everything,
    examples,
    gradients_of,
    point_of,
)

Reals = npt.NDArray[np.float64]


def _one_by_one(
    model: ModelSpec,
    point: Reals,
    sent: npt.NDArray[np.uint32],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    clip: float,
    weights: Sequence[float] = (),
) -> tuple[Reals, list[float]]:
    """Sum and norms by the definition, with torch's autograd in double precision."""
    total, norms = np.zeros(len(sent)), []
    for one, label in zip(torch.from_numpy(fixed_features(model, images)), labels, strict=True):
        parameters = torch.from_numpy(point).requires_grad_()
        found = scores(model, parameters, one[None])
        if model.predicts_number:
            loss = 0.5 * functional.mse_loss(found[0], torch.tensor([float(label)], dtype=torch.float64))
        else:
            loss = functional.cross_entropy(found, torch.tensor([int(label)]))
        loss = loss * weights[int(label)] if weights else loss
        gradient = torch.autograd.grad(loss, parameters)[0].numpy()[sent]
        norms.append(float(np.linalg.norm(gradient)))
        steps = units_of_clip(len(sent)) / clip
        total += np.trunc(min(1.0, clip / max(norms[-1], 1e-12)) * gradient * steps)
    return total, norms


@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize(("clip", "every"), [(0.2, 1), (30.0, 1), (0.2, 3), (30.0, 2)])
def test_the_sum_by_its_definition(model: ModelSpec, clip: float, every: int) -> None:
    """At all coordinates, or at every second or third one."""
    point, gradients = point_of(model, 0.01), gradients_of(model, 20, 1)
    sent = np.arange(0, len(point), every, dtype=np.uint32)
    expected, norms = _one_by_one(model, point, sent, *examples(20, 1, model.input_shape), clip)
    found = gradients.clipped_sum(point, sent, np.arange(20), clip)
    assert np.abs(found.total - expected).max() <= 2  # steps: at an edge torch may round to the other side
    np.testing.assert_allclose(found.norms, norms, rtol=1e-9)


def test_of_a_number_the_loss_is_half_the_squared_error() -> None:
    (images, _), labels = examples(20, 6, NUMBER.input_shape), np.random.default_rng(6).normal(size=20) * 5.0
    point, sent = point_of(NUMBER, 0.1), everything(NUMBER).indices
    expected, norms = _one_by_one(NUMBER, point, sent, images, labels, 2.0)
    found = Gradients(NUMBER, images, labels).clipped_sum(point, sent, np.arange(20), 2.0)
    assert np.abs(found.total - expected).max() <= 2
    np.testing.assert_allclose(found.norms, norms, rtol=1e-9)
    assert 0 < (found.norms > 2.0).sum() < 20


def test_a_class_weight_multiplies_the_loss_before_the_cut() -> None:
    weights, (images, labels) = (0.25, 3.0, 1.0), examples(20, 7, LINEAR.input_shape)
    point, sent = point_of(LINEAR, 0.01), everything(LINEAR).indices
    expected, norms = _one_by_one(LINEAR, point, sent, images, labels, 100.0, weights)
    micro = tuple(int(weight * MICRO) for weight in weights)
    found = Gradients(LINEAR, images, labels, micro).clipped_sum(point, sent, np.arange(20), 100.0)
    assert np.abs(found.total - expected).max() <= 2
    np.testing.assert_allclose(found.norms, norms, rtol=1e-9)
    plain = gradients_of(LINEAR, 20, 7).clipped_sum(point, sent, np.arange(20), 100.0)
    np.testing.assert_allclose(found.norms, plain.norms * np.array(weights)[labels], rtol=1e-12)


@pytest.mark.parametrize("model", SMALL)
def test_chunks_change_nothing(model: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    point, sent = point_of(model, 0.01), everything(model).indices
    whole = gradients_of(model, 23, 3).clipped_sum(point, sent, np.arange(23), 0.5)
    monkeypatch.setattr(module, "CHUNK_NUMBERS", 4 * dimension_of(model))
    pieces = gradients_of(model, 23, 3).clipped_sum(point, sent, np.arange(23), 0.5)
    assert pieces.total.tolist() == whole.total.tolist()
    assert pieces.norms.tobytes() == whole.norms.tobytes()


@pytest.mark.parametrize("model", SMALL)
def test_no_example_is_a_zero_sum(model: ModelSpec) -> None:
    sent, nobody = everything(model).indices, np.zeros(0, dtype=np.int64)
    found = gradients_of(model, 1, 4).clipped_sum(point_of(model, 1.0), sent, nobody, 1.0)
    assert not found.total.any()
    assert found.norms.shape == (0,)


@pytest.mark.parametrize("model", [LINEAR, CONVOLUTION])
def test_of_the_clip_at_most_a_thousandth_is_lost(model: ModelSpec) -> None:
    sent, one = everything(model).indices, np.zeros(1, dtype=np.int64)
    found = gradients_of(model, 1, 5).clipped_sum(point_of(model, 0.01), sent, one, 0.25)
    assert 0.999 < np.linalg.norm(found.total) / units_of_clip(len(found.total)) <= 1.0
