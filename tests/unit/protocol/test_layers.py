"""The arithmetic of layers: right, the same bits on every machine, and of one column alone."""

from __future__ import annotations

from math import exp, fsum, tanh

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import MalformedError
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.arithmetic import product, softmax, total
from protocol.model.layers import activations

Reals = npt.NDArray[np.float64]
TANH = ["-0x1.fe76795d353a0p-1", "0x1.983d7795f413cp-4", "0x1.fbd509ae7ae3fp-1"]
SOFTMAX = ["0x1.2ec12bc04c1abp-9", "0x1.0daaa9f0271f6p-4", "0x1.dd1be9963acffp-1"]
TOTAL = "0x1.6b1968c771297p+58"
WIDTHS = [1, 2, 3, 7, 8, 15, 16, 17, 31, 64]
SQUASH = ModelSpec((3,), 3, (Layer("tanh", {}),))
RECTIFY = ModelSpec((3,), 3, (Layer("relu", {}),))


def _numbers(shape: tuple[int, ...], seed: int) -> Reals:
    """Of many magnitudes, so that another order of a sum is another sum."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=shape) * 2.0 ** generator.integers(-30, 60, shape)


def _tanh(values: Reals) -> Reals:
    *_, given_out = activations(SQUASH, {}, values)
    return given_out


def _relu(values: Reals) -> Reals:
    *_, given_out = activations(RECTIFY, {}, values)
    return given_out


@given(values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=70))
def test_a_total_is_the_sum_of_all(values: list[float]) -> None:
    found = float(total(np.array(values)[:, None])[0])
    assert found == pytest.approx(fsum(values), abs=1e-14 * sum(map(abs, values)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 31), (2, 32), (5, 33), (4, 100)])
def test_a_product_is_that_of_matrices(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    matrix, values = generator.normal(size=shape), generator.normal(size=(shape[1], 6))
    np.testing.assert_allclose(product(matrix, values), matrix @ values, atol=1e-12)


@settings(max_examples=300)
@given(value=st.floats(-50.0, 50.0))
def test_tanh_and_softmax_are_right(value: float) -> None:
    assert float(_tanh(np.full((3, 1), value))[0, 0]) == pytest.approx(tanh(value), abs=4e-16)
    found = softmax(np.array([[value], [0.0]]))[:, 0]
    assert found[0] == pytest.approx(1.0 / (1.0 + exp(-value)), rel=4e-15)
    assert found.sum() == pytest.approx(1.0, abs=4e-16)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 17])
def test_relu_keeps_what_is_not_below_zero_zeros_with_their_signs_and_what_is_no_number(count: int) -> None:
    kept = np.array([[-0.0], [0.0], [np.nan], [np.inf], [2.0], [5e-324]]).repeat(count, axis=1)
    assert _relu(kept).tobytes() == kept.tobytes()
    assert not _relu(np.array([[-5e-324], [-2.0], [-np.inf]]).repeat(count, axis=1)).any()


def test_softmax_of_scores_far_apart_and_of_what_is_no_number() -> None:
    assert softmax(np.array([[1e300], [-1e300], [1e300]]))[:, 0] == pytest.approx([0.5, 0.0, 0.5])
    assert softmax(np.array([[2.0], [-np.inf]]))[:, 0] == pytest.approx([1.0, 0.0])
    with np.errstate(invalid="ignore"):
        found = softmax(np.array([[1.0, np.nan, np.inf, 3.0], [1.0, 0.0, 0.0, 3.0]]))
    assert np.isnan(found[:, 1:3]).all()
    assert found[:, [0, 3]].tolist() == [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize("count", WIDTHS)
def test_a_column_is_the_same_wherever_it_stands(count: int) -> None:
    matrix, values = _numbers((5, 71), 1), _numbers((71, count), 2)
    for found in (
        lambda v: product(matrix, v),
        total,
        lambda v: softmax(v[:3] * 1e-18),
        lambda v: _tanh(v[:3] * 1e-9),
        _relu,
    ):
        together = found(values)
        for place in range(count):
            alone = found(values[:, [place]])
            assert together[..., place].tobytes() == alone[..., 0].tobytes()


def test_the_same_bits_on_every_machine() -> None:
    values = np.array([[-3.25], [0.1], [2.75]])
    assert [float(value).hex() for value in _tanh(values)[:, 0]] == TANH
    assert [float(value).hex() for value in softmax(values)[:, 0]] == SOFTMAX
    assert float(total(_numbers((71, 1), 3))[0]).hex() == TOTAL


def test_a_fixed_layer_cannot_stand_among_the_trained() -> None:
    layer = Layer("oriented_gradients", {"cell": 2, "stride": 1, "padding": 0, "scale": 1})
    with pytest.raises(MalformedError):
        list(activations(ModelSpec((3,), 3, (Layer("relu", {}), layer)), {}, np.zeros((3, 1))))
