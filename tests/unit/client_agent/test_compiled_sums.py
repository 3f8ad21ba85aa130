"""The compiled loops of training give the bits of the plain arithmetic, whatever the weights and the numbers."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import pytest

from client_agent import training
from client_agent.privacy.clipping import LARGEST, clipped, units_of_clip
from client_agent.training import compiled_sums
from client_agent.training import gradients as module
from client_agent.training.compiled_sums import CompiledSum
from client_agent.training.gradients import Gradients
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.layout import PARAMETER_BOUND
from protocol.model.specification import dimension_of
from protocol.model.speed import NEVER, Gradual
from tests.unit.client_agent.scene_learning import CLASSES, NUMBER, SMALL, examples, gradients_of, point_of

Reals = npt.NDArray[np.float64]

WIDE = ModelSpec(
    (3, 9, 10),
    CLASSES,
    (
        Layer("convolution", {"channels": 16, "kernel": 3, "stride": 2}),
        Layer("tanh", {}),
        Layer("convolution", {"channels": 33, "kernel": 2, "stride": 1}),
        Layer("relu", {}),
        Layer("flatten", {}),
        Layer("linear", {"outputs": 64, "bias": 1}),
        Layer("sigmoid", {}),
        Layer("linear", {"outputs": CLASSES, "bias": 1}),
    ),
)
MODELS = [*SMALL, WIDE]


FAST, SLOW = Gradual(0), Gradual(NEVER)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scale", [0.01, 1.0, PARAMETER_BOUND, 1e150, 1e300])
def test_the_same_bits(model: ModelSpec, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all coordinates and of some; the largest weights overflow, and what overflows counts as zero in both."""
    monkeypatch.setattr(module, "CHUNK_NUMBERS", 30 * dimension_of(model))
    point = point_of(model, scale)
    point[::5] = -0.0
    fast, slow = (gradients_of(model, 43, 8, work) for work in (FAST, SLOW))
    for sent in (np.arange(0, len(point), every, dtype=np.uint32) for every in (1, 4)):
        found, expected = (each.clipped_sum(point, sent, np.arange(43), 0.3) for each in (fast, slow))
        assert found.total.tobytes() == expected.total.tobytes()
        assert found.norms.tobytes() == expected.norms.tobytes()
        one, other = (each.each(point, sent, np.arange(5)) for each in (fast, slow))
        np.testing.assert_array_equal(one, other)


def test_of_a_number_the_same_bits() -> None:
    (images, _), labels = examples(20, 6, NUMBER.input_shape), np.random.default_rng(6).normal(size=20) * 5.0
    point, sent = point_of(NUMBER, 0.1), np.arange(dimension_of(NUMBER), dtype=np.uint32)
    both = [Gradients(NUMBER, images, labels, work=work) for work in (FAST, SLOW)]
    fast, slow = (each.clipped_sum(point, sent, np.arange(20), 2.0) for each in both)
    assert (fast.total.tobytes(), fast.norms.tobytes()) == (slow.total.tobytes(), slow.norms.tobytes())


@pytest.mark.parametrize("model", MODELS)
def test_company_and_place_change_no_bit_of_a_length(model: ModelSpec) -> None:
    point, gradients = point_of(model, 0.3), gradients_of(model, 21, 9, FAST)
    sent, chosen = np.arange(len(point), dtype=np.uint32), np.random.default_rng(1).permutation(21)
    together = gradients.clipped_sum(point, sent, chosen, 0.3)
    alone = [gradients.clipped_sum(point, sent, np.array([one]), 0.3) for one in chosen]
    assert together.norms.tolist() == [float(one.norms[0]) for one in alone]
    assert together.total.tolist() == np.sum([one.total for one in alone], axis=0).tolist()


def test_nobody_is_a_zero_sum() -> None:
    gradients, nobody = gradients_of(WIDE, 2, 1, FAST), np.zeros(0, dtype=np.int64)
    point, sent = point_of(WIDE, 1.0), np.arange(40, dtype=np.uint32)
    found = gradients.clipped_sum(point, sent, nobody, 1.0)
    assert not found.total.any() and found.norms.shape == (0,)
    assert gradients.each(point, sent, nobody).shape == (40, 0)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1001])
def test_clipping_by_its_reference(count: int) -> None:
    """Numbers of all magnitudes, and those that are none; columns beyond the used ones do not count."""
    generator = np.random.default_rng(count)
    columns = generator.normal(size=(count, 16)) * 2.0 ** generator.integers(-300, 20, (count, 16))
    columns[0, :5] = [np.nan, np.inf, -np.inf, LARGEST, np.nextafter(LARGEST, 0.0)]
    columns[:, 12] = 0.0
    units, used = units_of_clip(count), 13
    with np.errstate(all="ignore"):
        expected, norms = clipped(columns[:, :used], 0.7, units)
    sums = CompiledSum(count, 0.7, units)
    found = sums.add(columns.copy(), used)
    assert found.tobytes() == norms.tobytes()
    assert sums.total.tolist() == expected.sum(axis=1).tolist()
    assert found[4] > 2.0**479 and not found[:4].any()


def test_a_vector_that_is_too_long_in_whole_steps_counts_as_zero() -> None:
    """The margin leaves no room for it; with fewer steps than the factor was made for, it is there."""
    columns = np.ones((3, 8)) * np.arange(1, 9)
    sums = CompiledSum(3, 3.0, 3_000)
    sums._units = 3_000 - 600  # all are clipped but the first, which is shorter
    sums.add(columns, 8)
    assert sums.total.tolist() == [1_000.0] * 3


def test_a_process_loads_the_loops_when_it_has_worked_as_long_as_that_takes() -> None:
    work = Gradual(1000)
    assert [work.arithmetic_for(400).lanes for _ in range(4)] == [1, 1, 8, 8]


def test_to_prepare_loads_the_loops_of_training_and_of_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Gradual(NEVER)
    monkeypatch.setattr(module, "PROCESS", work)
    monkeypatch.setattr(training, "compiled_sums", compiled_sums)  # both are put back
    monkeypatch.delitem(sys.modules, compiled_sums.__name__)
    module.prepare()
    assert compiled_sums.__name__ in sys.modules
    assert work.arithmetic_for(1).lanes == 8
