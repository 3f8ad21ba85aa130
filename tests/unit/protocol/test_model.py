"""Declared models: what is allowed, how parameters lie and travel, and that everybody counts the same right answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from protocol.encryption.port import largest_value
from protocol.errors import MalformedError, Party
from protocol.messages.learning import MICRO, Layer, ModelSpec
from protocol.model.evaluation import count_correct, fixed_features
from protocol.model.initialization import initial_parameters
from protocol.model.layout import PARAMETER_BOUND, Layout, always_sent
from protocol.model.specification import dimension_of, validate
from protocol.model.step import apply_step
from protocol.model.trained import TrainedModel
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import dequantise
from scripts.demonstration.presets import digits_terms, mnist_terms
from scripts.evaluate.centralised import scores
from tests.samples import sample_spec, with_terms

LINEAR = ModelSpec((6,), 3, (Layer("linear", {"outputs": 3, "bias": 1}),))
CONVOLUTION = ModelSpec(
    (1, 8, 8),
    4,
    (
        Layer("convolution", {"channels": 3, "kernel": 3, "stride": 2}),
        Layer("relu", {}),
        Layer("flatten", {}),
        Layer("linear", {"outputs": 5, "bias": 1}),
        Layer("tanh", {}),
        Layer("linear", {"outputs": 4, "bias": 1}),
    ),
)
GRADIENTS = digits_terms()[0]
MODELS = [LINEAR, CONVOLUTION, GRADIENTS]


def _parameters(model: ModelSpec, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.Generator(np.random.PCG64(seed)).normal(size=dimension_of(model)).astype(np.float32)


def _images(model: ModelSpec, count: int, seed: int = 1) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 17, (count, *model.input_shape)).astype(np.uint8)


def test_known_sizes() -> None:
    assert dimension_of(LINEAR) == 21
    assert dimension_of(digits_terms()[0]) == 3_930
    assert dimension_of(mnist_terms()[0]) == 3_930
    assert dimension_of(CONVOLUTION) == 3 * 9 + 3 + 27 * 5 + 5 + 5 * 4 + 4


@pytest.mark.parametrize(
    "model",
    [
        replace(LINEAR, layers=(Layer("lambda", {}),)),
        replace(LINEAR, layers=(Layer("linear", {"outputs": 3}),)),
        replace(LINEAR, layers=(Layer("linear", {"outputs": 3, "bias": 1, "rank": 2}),)),
        replace(LINEAR, layers=(Layer("linear", {"outputs": 3, "bias": 2}),)),
        replace(LINEAR, layers=(Layer("linear", {"outputs": 4, "bias": 1}),)),
        replace(LINEAR, layers=(Layer("linear", {"outputs": 0, "bias": 1}),)),
        replace(LINEAR, layers=(Layer("linear", {"outputs": 10**9, "bias": 1}),)),
        replace(LINEAR, layers=(Layer("relu", {}),)),
        replace(LINEAR, input_shape=(3,), layers=(Layer("relu", {}),)),
        replace(LINEAR, input_shape=(0,)),
        replace(LINEAR, input_shape=(10**7,)),
        replace(LINEAR, layers=(Layer("convolution", {"channels": 1, "kernel": 3, "stride": 1}),)),
        replace(CONVOLUTION, layers=(Layer("convolution", {"channels": 3, "kernel": 9, "stride": 1}),)),
        replace(CONVOLUTION, layers=(Layer("convolution", {"channels": 3, "kernel": 3, "stride": 0}),)),
        replace(CONVOLUTION, layers=(Layer("linear", {"outputs": 4, "bias": 1}),)),
        replace(GRADIENTS, input_shape=(3, 8, 8)),
        replace(GRADIENTS, layers=(*GRADIENTS.layers, GRADIENTS.layers[0])),
        replace(
            GRADIENTS,
            layers=(
                Layer("oriented_gradients", {"cell": 9, "stride": 1, "padding": 0, "scale": 16}),
                GRADIENTS.layers[1],
            ),
        ),
        replace(
            GRADIENTS,
            layers=(
                Layer("oriented_gradients", {"cell": 2, "stride": 0, "padding": 0, "scale": 16}),
                GRADIENTS.layers[1],
            ),
        ),
    ],
)
def test_what_is_not_allowed_is_one_typed_error(model: ModelSpec) -> None:
    with pytest.raises(MalformedError):
        validate(model)


@pytest.mark.parametrize("model", MODELS)
def test_parameters_travel_in_one_encoding(model: ModelSpec) -> None:
    layout, parameters = Layout.of(model), _parameters(model)
    data = layout.to_safetensors(parameters)
    assert len(data) <= layout.max_bytes
    assert np.array_equal(layout.from_safetensors(data), parameters)
    assert layout.to_safetensors(parameters) == data


@given(st.data())
def test_any_changed_byte_of_a_file_is_refused_or_another_vector(data: st.DataObject) -> None:
    layout = Layout.of(LINEAR)
    original = layout.to_safetensors(_parameters(LINEAR))
    place = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        vector = layout.from_safetensors(bytes(changed))
    except MalformedError:
        return
    assert layout.to_safetensors(vector) == bytes(changed)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_parameters(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Layout.of(LINEAR).from_safetensors(data)


@pytest.mark.parametrize(
    "wrong", [np.nan, np.inf, -np.inf, np.nextafter(np.float32(-PARAMETER_BOUND), np.float32(-np.inf))]
)
def test_parameters_beyond_the_public_bound_are_the_manufacturers_fault(wrong: float) -> None:
    layout, parameters = Layout.of(LINEAR), _parameters(LINEAR)
    parameters[:2] = PARAMETER_BOUND, -PARAMETER_BOUND
    assert np.array_equal(layout.from_safetensors(layout.to_safetensors(parameters)), parameters)
    parameters[3] = wrong
    with pytest.raises(MalformedError, match="beyond") as refused:
        layout.from_safetensors(layout.to_safetensors(parameters))
    assert refused.value.fault == Party.MANUFACTURER


def test_biases_and_the_last_layer_are_always_sent_if_they_are_few() -> None:
    wide = ModelSpec(
        (100,), 2, (Layer("linear", {"outputs": 20, "bias": 1}), Layer("linear", {"outputs": 2, "bias": 1}))
    )
    expected = [*range(2_000, 2_020), *range(2_020, 2_062)]
    assert always_sent(wide).tolist() == expected
    assert always_sent(LINEAR).tolist() == []  # all of the model is its last layer


@pytest.mark.parametrize("model", MODELS)
def test_right_answers_are_those_of_torch_in_double_precision(model: ModelSpec) -> None:
    images, parameters = _images(model, 700), _parameters(model)
    inputs = torch.from_numpy(fixed_features(model, images))
    found = scores(model, torch.from_numpy(parameters.astype(np.float64)), inputs)
    labels = found.argmax(dim=1).numpy().astype(np.uint8)
    assert count_correct(model, parameters, images, labels) == 700
    wrong = ((labels + 1) % model.classes).astype(np.uint8)
    assert count_correct(model, parameters, images, np.concatenate([labels[:650], wrong[650:]])) == 650


def test_equal_scores_give_the_lowest_class() -> None:
    zero = np.zeros(dimension_of(LINEAR), dtype=np.float32)
    images = _images(LINEAR, 5)
    assert count_correct(LINEAR, zero, images, np.array([0, 0, 1, 2, 0], dtype=np.uint8)) == 3


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(MalformedError):
        fixed_features(LINEAR, np.zeros((2, 7), dtype=np.uint8))


def test_features_are_of_unit_length_and_know_direction() -> None:
    ramp = np.tile(np.arange(8, dtype=np.uint8), (1, 1, 8, 1))
    features = fixed_features(GRADIENTS, np.concatenate([ramp, ramp[..., ::-1], np.zeros_like(ramp)]))
    assert features[:, -1].tolist() == [0.1, 0.1, 0.1]
    assert np.linalg.norm(features[:2, :-1], axis=1) == pytest.approx(1.0)
    assert not features[2, :-1].any()
    by_orientation = features[:, :-1].reshape(3, -1, 8).sum(axis=1)
    assert by_orientation[0].argmax() == 0  # brighter to the right
    assert by_orientation[1].argmax() == 4  # brighter to the left


@pytest.mark.parametrize("model", [GRADIENTS, mnist_terms()[0], CONVOLUTION])
def test_company_and_place_change_no_bit_of_an_examples_features(model: ModelSpec) -> None:
    images = _images(model, 33)
    whole = fixed_features(model, images)
    for size in (1, 2, 3, 15, 16, 17):
        assert fixed_features(model, images[-size:]).tobytes() == whole[-size:].tobytes()


def test_starting_parameters_are_the_same_for_everyone() -> None:
    assert not initial_parameters(GRADIENTS).any()
    first = initial_parameters(CONVOLUTION)
    assert np.array_equal(first, initial_parameters(CONVOLUTION))
    assert first.any()
    assert np.abs(first).max() <= np.sqrt(6 / 5)


@given(st.sets(st.integers(0, dimension_of(CONVOLUTION) - 1)))
def test_places_of_tensors_are_those_of_the_flat_vector(chosen: set[int]) -> None:
    layout, vector = Layout.of(CONVOLUTION), _parameters(CONVOLUTION)
    indices = np.array(sorted(chosen), dtype=np.uint32)
    tensors = layout.tensors(vector)
    found = [tensors[name].reshape(-1)[places] for name, places in layout.places(indices)]
    assert np.array_equal(np.concatenate(found), vector[indices])


@pytest.mark.parametrize("scale", [1, 4])
def test_a_step_moves_only_the_index_set_and_by_the_scale_what_takes_turns(scale: int) -> None:
    """What is always sent moves by the mean itself: nothing has to be made up for."""
    learning = with_terms(sample_spec().learning, scale_micro=scale * MICRO)
    before = _parameters(LINEAR)
    sent = IndexSet(np.array([0, 4, 20], dtype=np.uint32), np.array([True, False, True]), 21)
    sums = np.array([100, -200, 3_000], dtype=np.int64)
    after = apply_step(TrainedModel(before), sent, sums, 7, learning).parameters
    moved = np.flatnonzero(after != before)
    assert moved.tolist() == [0, 4, 20]
    mean = dequantise(sums, learning.quantiser) / 7
    expected = before.astype(np.float64)[sent.indices] + mean * np.array([scale, 1, scale])
    assert np.array_equal(after[sent.indices], expected.astype(np.float32))


def test_a_step_never_makes_a_model_that_phones_refuse() -> None:
    learning = with_terms(sample_spec().learning, bound_micro=2**40 * 10**6)
    indices = np.arange(21, dtype=np.uint32)
    largest = np.where(indices % 2, 1, -1) * np.int64(7 * largest_value(learning.quantiser.bits))
    before = TrainedModel(_parameters(LINEAR))
    after = apply_step(before, IndexSet(indices, indices > 10, 21), largest, 7, learning).parameters
    layout = Layout.of(LINEAR)
    assert np.array_equal(layout.from_safetensors(layout.to_safetensors(after)), after)
    assert np.array_equal(after, np.where(indices % 2, PARAMETER_BOUND, -PARAMETER_BOUND))
