"""An exported model gives the scores and the classes of our own evaluation, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from backend.onnx_model import to_onnx
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.evaluation import count_correct, scores_of
from protocol.model.specification import dimension_of, outputs_of
from scripts.demonstration.presets import appliances_terms, digits_terms, mnist_terms, traffic_terms

COUNT = 40


def layer(kind: str, **arguments: int) -> Layer:
    return Layer(kind, arguments)


def ended(input_shape: tuple[int, ...], *layers: Layer, classes: int = 4) -> ModelSpec:
    """With a last layer that makes classes of whatever the others give."""
    width = outputs_of_layers(input_shape, layers)
    flat = () if len(width) == 1 else (layer("flatten"),)
    return ModelSpec(input_shape, classes, (*layers, *flat, layer("linear", outputs=classes, bias=1)))


def outputs_of_layers(input_shape: tuple[int, ...], layers: tuple[Layer, ...]) -> tuple[int, ...]:
    closing = (layer("flatten"), layer("linear", outputs=2, bias=0))
    shapes = outputs_of(ModelSpec(input_shape, 2, (*layers, *closing)))
    return shapes[len(layers) - 1] if layers else input_shape


MODELS = {
    "linear": ModelSpec((6,), 4, (layer("linear", outputs=4, bias=1),)),
    "linear without bias": ModelSpec((6,), 4, (layer("linear", outputs=4, bias=0),)),
    "relu": ended((6,), layer("linear", outputs=9, bias=1), layer("relu")),
    "tanh": ended((6,), layer("linear", outputs=9, bias=1), layer("tanh")),
    "sigmoid": ended((6,), layer("linear", outputs=9, bias=1), layer("sigmoid")),
    "flatten": ended((2, 3, 4), layer("flatten")),
    "convolution": ended((2, 7, 6), layer("convolution", channels=3, kernel=3, stride=2)),
    "convolution of one place": ended((2, 3, 3), layer("convolution", channels=3, kernel=3, stride=1)),
    "rectangular convolution": ended(
        (2, 5, 9),
        layer("rectangular_convolution", channels=3, rows=2, columns=4, row_stride=1, column_stride=3),
    ),
    "mean pool": ended((2, 7, 6), layer("mean_pool", rows=2, columns=3)),
    "max pool": ended((2, 7, 6), layer("max_pool", rows=3, columns=2)),
    "global pool": ended((3, 2, 5), layer("global_pool", mean=1, maximum=1)),
    "global mean": ended((3, 2, 5), layer("global_pool", mean=1, maximum=0)),
    "global maximum of steps": ended((3, 5), layer("global_pool", mean=0, maximum=1)),
    "gru": ended((7, 3), layer("gru", units=5)),
    "gru of one step": ended((1, 3), layer("gru", units=2)),
    "gradients": ended((1, 9, 8), layer("oriented_gradients", cell=3, stride=2, padding=1, scale=16)),
    "gradients of one cell": ended((1, 5, 5), layer("oriented_gradients", cell=5, stride=1, padding=0, scale=255)),
    "several": ended(
        (1, 12, 12),
        layer("convolution", channels=4, kernel=3, stride=1),
        layer("relu"),
        layer("max_pool", rows=2, columns=2),
        layer("convolution", channels=6, kernel=2, stride=1),
        layer("tanh"),
        layer("mean_pool", rows=2, columns=2),
    ),
    "digits": digits_terms()[0],
    "mnist": mnist_terms()[0],
    "appliances": appliances_terms()[0],
    "traffic": traffic_terms()[0],
}


def drawn(model: ModelSpec, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
    """Parameters, and inputs: an image's are whole numbers, as test sets have them."""
    source = np.random.default_rng(seed)
    parameters = source.normal(0.0, 0.5, dimension_of(model)).astype(np.float32)
    if model.layers[0].kind == "oriented_gradients":
        highest = model.layers[0].arguments["scale"]
        return parameters, source.integers(0, highest + 1, (COUNT, *model.input_shape), dtype=np.uint8)
    return parameters, source.normal(0.0, 1.0, (COUNT, *model.input_shape)).astype(np.float32)


def run(content: bytes, inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"inputs": inputs.astype(np.float32)}), strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_scores_and_classes(name: str) -> None:
    model = MODELS[name]
    parameters, inputs = drawn(model, sum(map(ord, name)))
    found, ours = run(to_onnx(model, parameters, {}), inputs), scores_of(model, parameters, inputs)
    np.testing.assert_allclose(found["scores"], ours.T, rtol=1e-6, atol=1e-6)
    if model.predicts_number:
        assert found.keys() == {"scores"}
        return
    assert (found["class"] == ours.argmax(axis=0)).all()
    labels = found["class"].astype(np.uint8)
    assert count_correct(model, parameters, inputs, labels) == len(inputs)


def test_of_equal_scores_the_lowest_class_counts() -> None:
    model = MODELS["linear"]
    found = run(to_onnx(model, np.zeros(28, dtype=np.float32), {}), np.ones((3, 6)))
    assert found["class"].tolist() == [0, 0, 0]


def test_no_example_and_an_image_without_edges() -> None:
    model = MODELS["digits"]
    parameters, inputs = drawn(model, 1)
    content = to_onnx(model, parameters, {})
    assert run(content, inputs[:0])["class"].shape == (0,)
    flat = np.full((2, *model.input_shape), 7, dtype=np.uint8)
    assert (run(content, flat)["class"] == scores_of(model, parameters, flat).argmax(axis=0)).all()


def test_the_same_model_is_the_same_file() -> None:
    model = MODELS["several"]
    parameters, _ = drawn(model, 2)
    content = to_onnx(model, parameters, {"hearth.task": "1"})
    assert content == to_onnx(model, parameters, {"hearth.task": "1"})
    properties = {entry.key: entry.value for entry in onnx.load_model_from_string(content).metadata_props}
    assert properties == {"hearth.task": "1"}


def test_weights_are_stored_once_and_in_single_precision() -> None:
    model = ended((500,), layer("linear", outputs=200, bias=1))
    parameters, _ = drawn(model, 3)
    assert len(to_onnx(model, parameters, {})) < 4 * len(parameters) + 20_000
