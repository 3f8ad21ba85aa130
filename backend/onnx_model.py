"""A published model as ONNX: the fixed features included, in the arithmetic that evaluates it (``docs/models.md``).

Parameters are stored in float32 and computed with in float64, as everywhere here: so the graph gives the class that
the count of right answers gave. Convolutions and pools are gathered windows, since runtimes have them in float32 alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from backend.onnx_features import oriented_gradients
from backend.onnx_graph import DOUBLE, Graph
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.layout import Layout
from protocol.model.specification import outputs_of
from protocol.model.window import Window

INPUTS, SCORES, CLASS = "inputs", "scores", "class"
Shape = tuple[int, ...]

_ACTIVATIONS: Final = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def to_onnx(model: ModelSpec, parameters: npt.NDArray[np.float32], about: Mapping[str, str]) -> bytes:
    """Takes ``inputs`` (N, *input_shape) in float32; gives ``scores`` (N, classes) in float32 and, where there are
    classes, ``class`` (N,), the lowest one of equal scores. ``about``: properties of the file, by name.
    """
    graph, tensors, shape = Graph(), Layout.of(model).tensors(parameters), model.input_shape
    values = graph.add("Cast", INPUTS, to=DOUBLE)
    for number, (layer, made) in enumerate(zip(model.layers, outputs_of(model), strict=True)):
        graph.layer = f"{number}.{layer.kind}"
        prefix = f"{number}."
        own = {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
        named = {name: graph.parameter(f"{prefix}{name}", array) for name, array in own.items()}
        values = _layer(graph, layer, values, shape, made, named)
        shape = made
    graph.layer = ""
    outputs = [
        (
            graph.add("Cast", values, to=TensorProto.FLOAT),
            helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["N", model.classes]),
        )
    ]
    if not model.predicts_number:
        chosen = graph.add("ArgMax", values, axis=1, keepdims=0)  # of equal scores the first
        outputs.append((chosen, helper.make_tensor_value_info(CLASS, TensorProto.INT64, ["N"])))
    taken = helper.make_tensor_value_info(INPUTS, TensorProto.FLOAT, ["N", *model.input_shape])
    made_model: Any = graph.model(taken, outputs, dict(about))
    return bytes(made_model.SerializeToString())


def _layer(
    graph: Graph,
    layer: Layer,
    values: str,
    shape: Shape,
    made: Shape,
    named: Mapping[str, str],
) -> str:
    """``values`` (N, *shape) to (N, *made)."""
    match layer.kind:
        case "oriented_gradients":
            return oriented_gradients(graph, values, shape, layer.arguments)
        case "flatten":
            return _reshaped(graph, values, made)
        case "relu" | "tanh" | "sigmoid":
            return graph.add(_ACTIVATIONS[layer.kind], values)
        case "linear":
            scores = graph.add("MatMul", values, graph.add("Transpose", named["weight"], perm=[1, 0]))
            return graph.add("Add", scores, named["bias"]) if "bias" in named else scores
        case "convolution" | "rectangular_convolution":
            return _convolution(graph, values, shape, made, Window.of(layer), named)
        case "mean_pool" | "max_pool":
            kind = "ReduceMean" if layer.kind == "mean_pool" else "ReduceMax"
            return graph.add(kind, _windows(graph, values, shape, Window.of(layer)), axes=[4], keepdims=0)
        case "global_pool":
            flat = _reshaped(graph, values, (shape[0], prod(shape[1:])))
            kinds = [("mean", "ReduceMean"), ("maximum", "ReduceMax")]
            parts = [graph.add(kind, flat, axes=[2], keepdims=0) for name, kind in kinds if layer.arguments[name]]
            return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
        case "gru":
            return _gru(graph, values, made[0], named)
    raise AssertionError(f"no layer {layer.kind}: the specification was checked")


def _reshaped(graph: Graph, values: str, shape: Shape) -> str:
    return graph.add("Reshape", values, graph.whole(0, *shape))  # 0: as many examples as there are


def _windows(graph: Graph, values: str, shape: Shape, window: Window) -> str:
    """(N, channels, rows, columns, numbers of the window)."""
    channels, height, width = shape
    rows, columns = window.places(height, width)
    down = window.row_stride * np.arange(rows)[:, None] + np.arange(window.rows)
    across = window.column_stride * np.arange(columns)[:, None] + np.arange(window.columns)
    places = down[:, None, :, None] * width + across[None, :, None, :]
    flat = _reshaped(graph, values, (channels, height * width))
    found = graph.constant(places.reshape(rows, columns, -1).astype(np.int64))
    return graph.add("Gather", flat, found, axis=2)


def _convolution(graph: Graph, values: str, shape: Shape, made: Shape, window: Window, named: Mapping[str, str]) -> str:
    channels, size = shape[0], window.rows * window.columns
    outputs, rows, columns = made
    there = graph.add("Transpose", _windows(graph, values, shape, window), perm=[0, 2, 3, 1, 4])
    flat = _reshaped(graph, there, (rows * columns, channels * size))
    kernels = graph.add("Reshape", named["weight"], graph.whole(outputs, channels * size))
    sums = graph.add("MatMul", flat, graph.add("Transpose", kernels, perm=[1, 0]))
    biased = graph.add("Add", sums, named["bias"])
    return _reshaped(graph, graph.add("Transpose", biased, perm=[0, 2, 1]), made)


def _gru(graph: Graph, values: str, units: int, named: Mapping[str, str]) -> str:
    """As a scan over the steps: the operator of that name has no float64 in every runtime."""
    given = graph.add("MatMul", values, graph.add("Transpose", named["input.weight"], perm=[1, 0]))
    given = graph.add("Add", given, named["bias"])
    hidden = graph.add("Transpose", named["hidden.weight"], perm=[1, 0])
    gates, last = graph.sliced(hidden, 1, 0, 2 * units), graph.sliced(hidden, 1, 2 * units, 3 * units)

    def step(body: Graph, state: str, taken: str) -> str:
        opened = body.add("MatMul", state, gates)
        opened = body.add("Sigmoid", body.add("Add", body.sliced(taken, 1, 0, 2 * units), opened))
        update, reset = body.sliced(opened, 1, 0, units), body.sliced(opened, 1, units, 2 * units)
        proposed = body.add("MatMul", body.add("Mul", reset, state), last)
        candidate = body.add("Tanh", body.add("Add", body.sliced(taken, 1, 2 * units, 3 * units), proposed))
        kept = body.add("Mul", body.add("Sub", body.real(1.0), update), state)
        return body.add("Add", kept, body.add("Mul", update, candidate))

    count = graph.sliced(graph.add("Shape", values), 0, 0, 1)
    first = graph.add(
        "ConstantOfShape",
        graph.add("Concat", count, graph.whole(units), axis=0),
        value=numpy_helper.from_array(np.zeros(1)),
    )
    return graph.scan(step, first, graph.add("Transpose", given, perm=[1, 0, 2]), units, 3 * units)
