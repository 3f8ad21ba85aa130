"""What each kind of layer takes and gives, how much work it is, and its numbers by definitions of its own."""

from __future__ import annotations

from math import exp, tanh

import numpy as np
import numpy.typing as npt
import pytest
import torch

from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, Layer, ModelSpec
from protocol.model.evaluation import scores_of
from protocol.model.initialization import initial_parameters
from protocol.model.layers import activations
from protocol.model.layout import Layout
from protocol.model.pooling import pool, pool_errors
from protocol.model.specification import activations_of, dimension_of, multiplications_of, outputs_of, validate
from scripts.evaluate.centralised import scores
from tests.unit.client_agent.scene_learning import AVERAGED, NUMBER, POOLED, RECURRENT, SMALL

LINEAR = Layer("linear", {"outputs": 2, "bias": 0})


def _of(shape: tuple[int, ...], *layers: Layer) -> ModelSpec:
    return ModelSpec(shape, 2, layers)


def _pool(kind: str, rows: int, columns: int) -> Layer:
    return Layer(kind, {"rows": rows, "columns": columns})


def _rectangle(rows: int, columns: int, row_stride: int, column_stride: int) -> Layer:
    sizes = {"rows": rows, "columns": columns, "row_stride": row_stride, "column_stride": column_stride}
    return Layer("rectangular_convolution", {"channels": 2, **sizes})


def _global(mean: int, maximum: int) -> Layer:
    return Layer("global_pool", {"mean": mean, "maximum": maximum})


def _gru(units: int) -> Layer:
    return Layer("gru", {"units": units})


def test_what_each_layer_gives() -> None:
    assert outputs_of(POOLED) == ((4, 2, 5), (4, 2, 5), (4, 2, 2), (4, 2, 2), (8,), (3,))
    assert outputs_of(AVERAGED) == ((1, 3, 3), (3, 2, 2), (3, 2, 2), (3,), (3,))
    assert outputs_of(RECURRENT) == ((4, 3), (5,), (3,))
    assert outputs_of(_of((2, 6), _global(0, 1), LINEAR)) == ((2,), (2,))


def test_how_large_and_how_much_work_each_is() -> None:
    assert dimension_of(POOLED) == 4 * 2 * 2 * 3 + 4 + 8 * 3 + 3
    assert multiplications_of(POOLED) == 4 * 2 * 2 * 3 * (2 * 5) + 8 * 3
    assert dimension_of(RECURRENT) == 15 * 3 + 15 * 5 + 15 + 5 * 3 + 3
    assert multiplications_of(RECURRENT) == 4 * (15 * 3 + 15 * 5) + 15
    assert activations_of(RECURRENT) == 12 + 12 + 5 + 11 * 4 * 5 + 3, "a recurrent layer keeps its states"


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((2, 5, 5), _rectangle(2, 6, 1, 1)),
        ((2, 5, 5), _rectangle(2, 3, 3, 1)),
        ((2, 5, 5), _rectangle(2, 3, 1, 0)),
        ((2, 5, 5), _rectangle(0, 3, 1, 1)),
        ((2, 25), _rectangle(1, 3, 1, 1)),
        ((2, 5, 5), _pool("mean_pool", 6, 1)),
        ((2, 5, 5), _pool("max_pool", 1, 0)),
        ((2, 25), _pool("max_pool", 1, 2)),
        ((4, 2), _global(0, 0)),
        ((4, 2), _global(2, 0)),
        ((2,), _global(1, 0)),
        ((4, 2), _gru(0)),
        ((4, 2), _gru(5000)),
        ((4, 2, 1), _gru(2)),
        ((2000, 2), _gru(2000)),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], layer: Layer) -> None:
    with pytest.raises(MalformedError, match=r"model\.layers\[0\]"):
        validate(_of(shape, layer, Layer("flatten", {}), LINEAR))


@pytest.mark.parametrize("model", SMALL)
def test_scores_are_those_of_torch(model: ModelSpec) -> None:
    generator = np.random.default_rng(2)
    parameters = generator.normal(size=dimension_of(model)).astype(np.float32)
    inputs = generator.normal(size=(9, *model.input_shape))
    expected = scores(model, torch.from_numpy(parameters.astype(np.float64)), torch.from_numpy(inputs))
    np.testing.assert_allclose(scores_of(model, parameters, inputs), expected.numpy().T, atol=1e-12)


def test_of_equal_numbers_the_first_is_the_largest() -> None:
    """Which says where the errors go: to one of them."""
    layer, values = _pool("max_pool", 2, 2), np.array([[[[3.0], [7.0]], [[7.0], [7.0]]]])
    assert pool(layer, values).tolist() == [[[[7.0]]]]
    assert pool_errors(layer, values, np.full((1, 1, 1, 1), 5.0)).reshape(-1).tolist() == [0.0, 5.0, 0.0, 0.0]
    both = pool_errors(_global(1, 1), values, np.array([[8.0], [5.0]]))
    assert both.reshape(-1).tolist() == [2.0, 7.0, 2.0, 2.0]
    rest = pool_errors(_pool("mean_pool", 1, 2), np.zeros((1, 1, 3, 1)), np.full((1, 1, 1, 1), 5.0))
    assert rest.reshape(-1).tolist() == [2.5, 2.5, 0.0], "what stands beyond the last window takes no part"


def test_a_recurrent_unit_by_hand() -> None:
    """One unit, one feature, two steps; the reset comes before the product with the hidden weight."""
    model = ModelSpec((2, 1), 1, (_gru(1),), tolerance_micro=MICRO)
    inputs, hidden, bias = (0.5, -0.75, 1.25), (0.3, 0.6, -0.9), (0.1, -0.2, 0.4)
    state = 0.0
    for given in (0.7, -1.1):
        update, reset = (1 / (1 + exp(-(inputs[k] * given + hidden[k] * state + bias[k]))) for k in (0, 1))
        candidate = tanh(inputs[2] * given + hidden[2] * (reset * state) + bias[2])
        state = (1 - update) * state + update * candidate
    tensors = {"0.input.weight": [[k] for k in inputs], "0.hidden.weight": [[k] for k in hidden], "0.bias": bias}
    arrays = {name: np.array(tensor) for name, tensor in tensors.items()}
    *_, found = activations(model, arrays, np.array([0.7, -1.1]).reshape(2, 1, 1))
    assert float(found[0, 0]) == pytest.approx(state, abs=1e-15)


def test_a_recurrent_layer_starts_from_small_weights() -> None:
    tensors: dict[str, npt.NDArray[np.float32]] = Layout.of(NUMBER).tensors(initial_parameters(NUMBER))
    for name in ("0.input.weight", "0.hidden.weight"):
        assert 0.3 < np.abs(tensors[name]).max() <= 3**-0.5
    assert not tensors["0.bias"].any()
