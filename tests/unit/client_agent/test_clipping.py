"""One example moves a sum by at most the clip, and no other gradient by a bit: also with weights made for it."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st

from client_agent.privacy.clipping import clip_factors, clipped, units_of_clip
from client_agent.training.backpropagation import OuterProducts
from client_agent.training.gradients import Gradients
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.evaluation import fixed_features
from protocol.model.layout import PARAMETER_BOUND, Layout, within_bound
from protocol.model.specification import dimension_of
from scripts.demonstration.presets import digits_terms
from tests.unit.client_agent.scene_learning import (
    CLASSES,
    CONVOLUTION,
    FEATURES,
    SMALL,
    examples,
    gradients_of,
    point_of,
)

Reals = npt.NDArray[np.float64]

DIGITS = digits_terms()[0]
SIZES = (1, 2, 3, 15, 16, 17, 33)  # of batches: where loops over several rows at once leave a remainder, or not
SCALES = [0.0, 1e-3, 1.0, 1e4, 1e19, 1e37, 1e300]


def _clips(moved: npt.NDArray[np.int64]) -> float:
    """Length of the difference of two sums, in clips: at most 1, exactly."""
    units = units_of_clip(len(moved))
    return math.sqrt(Fraction(sum(int(step) ** 2 for step in moved), units**2))


def _steps(cut: Reals, place: int) -> bytes:
    """One example's clipped gradient."""
    return cut[:, place].tobytes()


def _sent(model: ModelSpec, seed: int = 0) -> npt.NDArray[np.uint32]:
    """A part of the coordinates, ascending; for every third seed all of them."""
    generator, dimension = np.random.default_rng(seed), dimension_of(model)
    count = dimension if seed % 3 == 0 else int(generator.integers(1, dimension + 1))
    return np.sort(generator.permutation(dimension)[:count]).astype(np.uint32)


@settings(max_examples=100, deadline=None)
@given(
    model=st.sampled_from(SMALL),
    chosen=st.lists(st.integers(0, 19), min_size=2, max_size=20, unique=True),
    place=st.integers(0, 19),
    seed=st.integers(0, 2**32 - 1),
    exponent=st.floats(-20.0, 16.0),
    share=st.floats(0.0, 1.0),
    clip=st.floats(1e-6, 1e3),
)
def test_one_example_moves_the_sum_by_at_most_the_clip_and_no_other_gradient_by_a_bit(
    model: ModelSpec, chosen: list[int], place: int, seed: int, exponent: float, share: float, clip: float
) -> None:
    """Hypothesis climbs towards allowed weights, ``share`` of which cancel, that move the sum by the most clips."""
    cancelling, spread = Manufacturer(model, seed).cancelling(), point_of(model, 2.0**exponent, seed)
    point = within_bound(share * cancelling + (1.0 - share) * spread)
    gradients = (_alike if share else gradients_of)(model, 20, seed)
    leaving, sent = place % len(chosen), _sent(model, seed)
    left = np.delete(np.array(chosen), leaving)
    with_it = gradients.clipped_sum(point, sent, np.array(chosen), clip).total
    without = gradients.clipped_sum(point, sent, left, clip).total
    moved = _clips(with_it - without)
    target(moved, label="clips")
    assert moved <= 1.0
    together, others = (gradients.clipped(point, sent, some, clip)[0] for some in (np.array(chosen), left))
    bits = [_steps(together, one) for one in range(len(chosen)) if one != leaving]
    assert bits == [_steps(others, one) for one in range(len(left))]


@settings(max_examples=60, deadline=None)
@given(
    model=st.sampled_from(SMALL),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from(SCALES),
    clip=st.floats(1e-6, 1e3),
)
def test_no_clipped_gradient_is_longer_than_the_clip(model: ModelSpec, seed: int, scale: float, clip: float) -> None:
    cut, _ = gradients_of(model, 3, seed).clipped(point_of(model, scale, seed), _sent(model, seed), np.arange(3), clip)
    for place in range(3):
        steps = [int(step) for step in cut[:, place]]
        assert sum(step * step for step in steps) <= units_of_clip(len(steps)) ** 2


class Manufacturer:
    """Chooses weights for which the scores of a guessed example are sums of huge numbers that cancel, so that rounding
    alone decides its class; and climbs towards those with which one more example makes the most difference."""

    def __init__(self, model: ModelSpec, seed: int) -> None:
        self._model, self._random = model, np.random.default_rng(seed)
        self._features = fixed_features(model, _guess(model, seed)).astype(np.float32).reshape(-1)

    def cancelling(self) -> Reals:
        """Weights, some far beyond the bound of those that a phone accepts."""
        vector = np.zeros(dimension_of(self._model))
        for name, tensor in Layout.of(self._model).tensors(vector).items():
            if name.endswith("weight"):
                self._cancel(tensor.reshape(len(tensor), -1))
        return vector

    def _cancel(self, rows: Reals) -> None:
        """Each row: weights of many magnitudes that cancel in pairs for the features, or together for equal inputs."""
        width = rows.shape[1]
        for row in rows:
            if width == len(self._features):
                one, other = self._random.permutation(width)[: width // 2 * 2].reshape(2, -1)
                sizes = 2.0 ** self._random.integers(0, 60, len(one))
                row[one], row[other] = sizes * self._features[other], -sizes * self._features[one]
            else:
                row[:] = self._random.normal(size=width) * 2.0 ** self._random.integers(0, 60)
                row -= row.mean()

    def search(self, gradients: Gradients, tries: int) -> tuple[float, Reals]:
        """The most that one example moves a sum, in clips, and the weights that do it."""
        best, found = 0.0, self.cancelling()
        for _ in range(tries):
            tried = self._mutated(found) if self._random.integers(2) else self.cancelling()
            moved = max(self._moved(gradients, tried, size, place) for size in SIZES for place in {0, size // 3, size})
            if moved >= best:
                best, found = moved, tried
        return best, found

    def _mutated(self, point: Reals) -> Reals:
        chosen = self._random.integers(0, len(point), 1 + len(point) // 8)
        changed = point.copy()
        changed[chosen] *= self._random.choice([-1.0, 0.5, 2.0, 1 + 2.0**-20], len(chosen))
        return changed.astype(np.float32).astype(np.float64)

    def _moved(self, gradients: Gradients, point: Reals, size: int, place: int) -> float:
        everybody, sent = np.arange(size + 1), _sent(self._model)
        with_it = gradients.clipped_sum(point, sent, everybody, 1.0).total
        without = gradients.clipped_sum(point, sent, np.delete(everybody, place), 1.0).total
        return _clips(with_it - without)


def _guess(model: ModelSpec, seed: int) -> npt.NDArray[np.uint8]:
    """One example; for a convolution a flat one, all of whose patches are equal."""
    if model.layers[0].kind == "convolution":
        return np.full((1, *model.input_shape), 7, dtype=np.uint8)
    return examples(1, seed, model.input_shape)[0]


def _alike(model: ModelSpec, count: int, seed: int) -> Gradients:
    """All examples are the one that the manufacturer guessed, with labels of their own."""
    _, labels = examples(count, seed, model.input_shape)
    return Gradients(model, _guess(model, seed).repeat(count, axis=0), labels)


@pytest.mark.parametrize("model", [*SMALL, DIGITS])
def test_weights_made_for_it_move_a_sum_by_no_more_than_the_clip(model: ModelSpec) -> None:
    count = max(SIZES) + 1
    for seed in range(2):
        moved, _ = Manufacturer(model, seed).search(_alike(model, count, seed), tries=16)
        assert moved <= 1.0


@pytest.mark.parametrize("model", [*SMALL, DIGITS])
@pytest.mark.parametrize("weights", ["trained", "cancelling"])
def test_company_and_place_change_no_bit_of_a_gradient(model: ModelSpec, weights: str) -> None:
    count = max(SIZES)
    generator = np.random.default_rng(7)
    for seed in range(3):
        gradients, sent = (
            (_alike if weights == "cancelling" else gradients_of)(model, count + 1, seed),
            _sent(model, seed),
        )
        point = (
            point_of(model, 0.1) if weights == "trained" else Manufacturer(model, seed).search(gradients, tries=2)[1]
        )
        alone = [_steps(gradients.clipped(point, sent, np.array([one]), 1.0)[0], 0) for one in range(count)]
        for size in SIZES:
            chosen = generator.permutation(count)[:size]
            together, norms = gradients.clipped(point, sent, chosen, 1.0)
            assert [_steps(together, place) for place in range(size)] == [alone[one] for one in chosen]
            assert norms.any() or weights == "cancelling"


def test_what_overflows_for_one_example_counts_as_zero_for_that_one() -> None:
    """The blank image has scores that are numbers; the white ones' are infinities of both signs."""
    point = np.full(dimension_of(CONVOLUTION), 1e200)
    Layout.of(CONVOLUTION).tensors(point)["0.bias"][:] = 0.0
    images, labels = np.zeros((3, 1, 6, 6), dtype=np.uint8), np.zeros(3, dtype=np.uint8)
    images[1:] = 255
    gradients, sent = Gradients(CONVOLUTION, images, labels), _sent(CONVOLUTION)
    alone, one_norm = gradients.clipped(point, sent, np.array([0]), 1.0)
    together, norms = gradients.clipped(point, sent, np.arange(3), 1.0)
    assert norms.tolist() == [one_norm[0], 0.0, 0.0]
    assert one_norm[0] > 0.5
    assert _steps(together, 0) == _steps(alone, 0)
    assert not together[:, 1:].any()
    assert not gradients.clipped_sum(point, sent, np.array([1, 2]), 1.0).total.any()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_largest_weights_of_the_deepest_model_overflow_and_harm_nothing(activation: str) -> None:
    """With relu every gradient is beyond what is counted, or next to nothing; tanh keeps them finite."""
    wide = Layer("linear", {"outputs": FEATURES, "bias": 1})
    last = Layer("linear", {"outputs": CLASSES, "bias": 1})
    model = ModelSpec(
        (FEATURES,), CLASSES, (*[layer for _ in range(31) for layer in (wide, Layer(activation, {}))], last)
    )
    gradients, sent, found = gradients_of(model, 4, 3), _sent(model), set()
    for seed in range(4):
        signs = np.sign(np.random.default_rng(seed).uniform(-0.2, 1.0, dimension_of(model)))
        point = PARAMETER_BOUND * signs
        alone = [_steps(gradients.clipped(point, sent, np.array([one]), 1.0)[0], 0) for one in range(4)]
        together, norms = gradients.clipped(point, sent, np.arange(4), 1.0)
        assert [_steps(together, place) for place in range(4)] == alone
        assert np.isfinite(norms).all()
        assert _clips(gradients.clipped_sum(point, sent, np.arange(4), 1.0).total) <= 4.0
        found |= {bool(norm > 1.0) for norm in norms}
    assert (True in found) is (activation == "tanh"), "what overflows is zero, the rest is not"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e308, 2.0**480])
def test_a_gradient_with_a_number_out_of_range_is_zero(wrong: float) -> None:
    gradients = np.ones((3, 3))
    gradients[1, 1] = wrong
    with np.errstate(all="ignore"):
        cut, norms = clipped(gradients, 2.0, 1_000)
    assert norms[1] == 0.0
    assert not cut[:, 1].any()
    assert cut[:, [0, 2]].all()


def test_a_product_of_tiny_and_huge_is_not_lost() -> None:
    """The squares of what is tiny must not vanish where the product with what is huge is longer than the clip."""
    outer = OuterProducts(np.full((1, 1), 2.0**-200), np.full((1, 1), 2.0**220))
    cut, norms = clipped(outer.at(np.array([0])), 1.0, 10**6)
    assert norms[0] == 2.0**20
    assert cut.tolist() == [[10**6 - 1]]


@pytest.mark.parametrize("model", SMALL)
def test_what_is_not_sent_does_not_count(model: ModelSpec) -> None:
    """The whole gradient cut down to what is sent, and clipped by the length of what is left."""
    gradients, point, sent = gradients_of(model, 4, 1), point_of(model, 0.001), _sent(model, 1)
    everything, far = np.arange(dimension_of(model), dtype=np.uint32), 1e5
    assert 0 < len(sent) < len(everything)
    whole = gradients.clipped(point, everything, np.arange(4), far)[0] * (far / units_of_clip(len(everything)))
    lost = far / units_of_clip(len(everything))  # of a number, by rounding
    part, lengths = gradients.clipped(point, sent, np.arange(4), far)
    np.testing.assert_allclose(part * (far / units_of_clip(len(sent))), whole[sent], atol=2 * lost)
    np.testing.assert_allclose(lengths, np.linalg.norm(whole[sent], axis=0), atol=lost * len(sent))
    near = lengths.min() / 2
    cut = gradients.clipped(point, sent, np.arange(4), near)[0]
    assert (np.linalg.norm(cut, axis=0) > 0.998 * units_of_clip(len(sent))).all(), "each is as long as the clip"


TINY = 3  # of every number of a gradient: from -3 to 3


def test_every_gradient_of_a_small_grid_moves_the_sum_by_at_most_the_clip() -> None:
    """All 7^3 gradients of three coordinates, checked in integers; the longest of them reach the clip."""
    numbers = np.array(list(product(range(-TINY, TINY + 1), repeat=3)), dtype=np.float64).T
    for clip in (0.3, 1.0, 2.5, 100.0):
        units = units_of_clip(3)
        cut, norms = clipped(numbers, clip, units)
        squares = [sum(int(step) ** 2 for step in column) for column in cut.T]
        assert max(squares) <= units**2
        long = norms >= clip
        assert all(square > (units - 2) ** 2 for square in np.array(squares)[long].tolist())
        assert np.array_equal(cut, -clipped(-numbers, clip, units)[0]), "rounded toward zero on both sides"


def test_a_gradient_of_length_zero_stays_zero_and_a_short_one_what_it_is() -> None:
    assert clip_factors(np.array([0.0, 0.5, 2.0]), 1.0).tolist() == [1.0, 1.0, 0.5 - 2.0**-41]
