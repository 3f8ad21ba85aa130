"""The compiled loops of layers against the plain arithmetic, byte by byte, and the version of what they import."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.training import clipping_kernels
from protocol.messages.learning import ModelSpec
from protocol.model import evaluation, gradient_kernels, kernels, vectors
from protocol.model.arithmetic import PLAIN, Arithmetic
from protocol.model.compiled import Compiled
from protocol.model.evaluation import scores_of
from protocol.model.specification import dimension_of
from protocol.model.speed import Gradual, chunk_of, padded
from protocol.model.window import Window
from tests.unit.client_agent.scene_learning import SMALL

Reals = npt.NDArray[np.float64]

FAST = Compiled()
SIZES = [1, 2, 3, 4, 5, 8, 16, 31, 32, 33, 64, 100]
# version: digest of vectors.py. Who changes that file writes the next one here and in every file of loops that imports
# it: numba's cache sees those files alone.
VERSION, DIGEST = 1, "8de7bb2d9ab46991a64a6122e67cd644002555876a5c61a5b833e45c464088f0"


def _numbers(generator: np.random.Generator, shape: tuple[int, ...]) -> Reals:
    """Of many magnitudes, some zeros of either sign and some that are none."""
    values = generator.normal(size=shape) * 2.0 ** generator.integers(-30, 60, shape)
    kinds = generator.choice([1.0, 0.0, -0.0, np.inf, np.nan], size=shape, p=[0.9, 0.04, 0.04, 0.01, 0.01])
    with np.errstate(invalid="ignore"):
        return np.where(kinds == 1.0, values, kinds)


def _alike(one: Reals, other: Reals) -> None:
    """Which of a processor's numbers that are none stands for it says nothing."""
    assert one.shape == other.shape
    assert np.array_equal(np.isnan(one), np.isnan(other))
    assert np.nan_to_num(one, nan=0.0).tobytes() == np.nan_to_num(other, nan=0.0).tobytes()


def test_the_version_of_what_the_loops_import() -> None:
    assert sha256(Path(vectors.__file__).read_bytes()).hexdigest() == DIGEST, "the next version, here and in the loops"
    for file in (kernels, gradient_kernels, clipping_kernels):
        assert re.search(rf"^VECTORS = {VERSION}\b", Path(str(file.__file__)).read_text(), re.MULTILINE), file


@settings(deadline=None, max_examples=60)
@given(outputs=st.sampled_from(SIZES), inputs=st.sampled_from(SIZES), groups=st.integers(1, 3), seed=st.integers(0, 99))
def test_products(outputs: int, inputs: int, groups: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    matrix, values = _numbers(generator, (outputs, inputs)), _numbers(generator, (inputs, 8 * groups))
    with np.errstate(all="ignore"):
        _alike(FAST.product(matrix, values), PLAIN.product(matrix, values))
        _alike(FAST.product(matrix.T.copy().T, values), PLAIN.product(matrix, values))


@settings(deadline=None, max_examples=60)
@given(data=st.data(), seed=st.integers(0, 99))
def test_convolutions(data: st.DataObject, seed: int) -> None:
    generator = np.random.default_rng(seed)
    outputs, channels = data.draw(st.sampled_from([1, 3, 4, 6, 16, 32])), data.draw(st.sampled_from(SIZES[:-2]))
    rows, columns = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    window = Window(rows, columns, data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns)))
    height, width = rows + data.draw(st.integers(0, 3)), columns + data.draw(st.integers(0, 3))
    count = 8 * data.draw(st.integers(1, 2))
    values = _numbers(generator, (channels, height, width, count))
    weight, bias = _numbers(generator, (outputs, channels, rows, columns)), _numbers(generator, (outputs,))
    errors = _numbers(generator, (outputs, *window.places(height, width), count))
    with np.errstate(all="ignore"):
        _alike(FAST.convolve(values, weight, bias, window), PLAIN.convolve(values, weight, bias, window))
        found, expected = (each.convolution_gradients(values, errors, window) for each in (FAST, PLAIN))
        _alike(found, expected)
        found, expected = (each.convolution_errors(weight, errors, values.shape, window) for each in (FAST, PLAIN))
        _alike(found, expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 16, 32])
def test_zeros_keep_the_sign_that_they_have_in_the_reference(channels: int) -> None:
    zeros, window = np.zeros((channels, 2, 2, 8)), Window(2, 2, 1, 1)
    weight, bias = np.full((5, channels, 2, 2), -0.0), np.array([-0.0, -0.0, -0.0, 0.0, -0.0])
    errors = np.full((5, 1, 1, 8), -0.0)
    kinds: list[Callable[[Arithmetic], Reals]] = [
        lambda each: each.convolve(zeros, weight, bias, window),
        lambda each: each.convolve(-zeros, weight, bias, window),
        lambda each: each.convolution_gradients(zeros, errors, window),
        lambda each: each.convolution_errors(-weight, errors, zeros.shape, window),
        lambda each: each.product(weight.reshape(5, -1), zeros.reshape(-1, 8)),
        lambda each: each.outer_sums(zeros.reshape(1, -1, 8), errors.reshape(1, -1, 8)),
    ]
    for of in kinds:
        assert of(FAST).tobytes() == of(PLAIN).tobytes()


@settings(deadline=None, max_examples=30)
@given(steps=st.integers(1, 5), a=st.integers(1, 9), b=st.integers(1, 9), seed=st.integers(0, 99))
def test_outer_sums(steps: int, a: int, b: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    left, right = _numbers(generator, (steps, a, 16)), _numbers(generator, (steps, b, 16))
    with np.errstate(all="ignore"):
        _alike(FAST.outer_sums(left, right), PLAIN.outer_sums(left, right))


@settings(deadline=None)
@given(st.lists(st.floats(max_value=0.0) | st.just(float("nan")), min_size=8, max_size=8))
def test_exponentials(exponents: list[float]) -> None:
    _alike(FAST.exponential(np.array(exponents)), PLAIN.exponential(np.array(exponents)))


@pytest.mark.parametrize("model", SMALL)
def test_scores_are_the_same_and_of_one_example_alone(model: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, fast = np.random.default_rng(4), Gradual()
    inputs = generator.normal(size=(67, *model.input_shape))
    parameters = generator.normal(size=dimension_of(model)).astype(np.float32)
    monkeypatch.setattr(evaluation, "PROCESS", Gradual())
    slow = scores_of(model, parameters, inputs)
    fast.load()
    monkeypatch.setattr(evaluation, "PROCESS", fast)
    assert scores_of(model, parameters, inputs).tobytes() == slow.tobytes()
    assert scores_of(model, parameters, inputs[60:61]).tobytes() == slow[:, 60:61].tobytes()


@given(count=st.integers(1, 500))
def test_how_many_examples_go_together(count: int) -> None:
    assert (padded(count, 1), chunk_of(count, 1)) == (count, count)
    assert count <= padded(count, 8) < count + 16 and padded(count, 8) % 8 == 0 and padded(count, 8) % 32
    assert chunk_of(count, 8) <= max(count, 8) and padded(chunk_of(count, 8), 8) == chunk_of(count, 8)
