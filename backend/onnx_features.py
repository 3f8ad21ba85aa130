"""The fixed oriented-gradient features (``protocol/model/features.py``) as nodes of an ONNX graph, in float64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backend.onnx_graph import Graph
from protocol.model.features import CONSTANT, DIRECTIONS, HALF, TINY
from protocol.model.specification import ORIENTATIONS

Span = tuple[int, int]


def oriented_gradients(graph: Graph, values: str, shape: tuple[int, ...], arguments: Mapping[str, int]) -> str:
    """``values`` (N, 1, height, width) to (N, features)."""
    cell, stride, padding = arguments["cell"], arguments["stride"], arguments["padding"]
    _, height, width = shape
    pixels = graph.add("Div", values, graph.real(float(arguments["scale"])))
    pixels = graph.add("Pad", pixels, graph.whole(0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    across = _sobel(graph, pixels, (2, height), (3, width))
    down = _sobel(graph, pixels, (3, width), (2, height))
    length = graph.add("Sqrt", graph.add("Add", _squared(graph, across), _squared(graph, down)))
    least = graph.add("Mul", length, graph.real(HALF))
    shares = graph.add("Concat", *_shares(graph, across, down, least), axis=1)
    cells, rows, columns = _cell_sums(graph, shares, (height, width), cell, stride, padding)
    energy = graph.add("ReduceSum", _squared(graph, cells), graph.whole(1), keepdims=1)
    around, _, _ = _cell_sums(graph, energy, (rows, columns), 3, 1, 1)
    cells = graph.add("Div", cells, graph.add("Add", graph.add("Sqrt", around), graph.real(TINY)))
    ordered = graph.add("Transpose", cells, perm=[0, 2, 3, 1])
    flat = graph.add("Reshape", ordered, graph.whole(0, rows * columns * ORIENTATIONS))
    whole = graph.add("Sqrt", graph.add("ReduceSum", _squared(graph, flat), graph.whole(1), keepdims=1))
    flat = graph.add("Div", flat, graph.add("Add", whole, graph.real(TINY)))
    return graph.add("Pad", flat, graph.whole(0, 0, 0, 1), graph.constant(np.array(CONSTANT)), mode="constant")


def _squared(graph: Graph, values: str) -> str:
    return graph.add("Mul", values, values)


def _sobel(graph: Graph, pixels: str, smoothed: Span, differed: Span) -> str:
    """Axis and size of each: differences along one, smoothed along the other; loses the border."""
    axis, size = differed
    difference = graph.add("Sub", graph.sliced(pixels, axis, 2, size + 2), graph.sliced(pixels, axis, 0, size))
    axis, size = smoothed
    first, middle, last = (graph.sliced(difference, axis, start, start + size) for start in range(3))
    return graph.sum_of(first, graph.add("Mul", middle, graph.real(2.0)), last)


def _shares(graph: Graph, across: str, down: str, least: str) -> list[str]:
    found = []
    for sign in (1.0, -1.0):
        for x, y in DIRECTIONS:
            along = graph.add(
                "Add",
                graph.add("Mul", across, graph.real(sign * x)),
                graph.add("Mul", down, graph.real(sign * y)),
            )
            more = graph.add("Div", graph.add("Sub", along, least), graph.real(1.0 - HALF))
            found.append(graph.add("Relu", more))
    return found


def _cell_sums(graph: Graph, values: str, size: Span, cell: int, stride: int, padding: int) -> tuple[str, int, int]:
    """Of each channel; with the rows and columns of cells."""
    padded = graph.add("Pad", values, graph.whole(0, 0, padding, padding, 0, 0, padding, padding), mode="constant")
    rows, columns = ((side + 2 * padding - cell) // stride + 1 for side in size)
    down = graph.sum_of(*(graph.sliced(padded, 2, i, i + stride * (rows - 1) + 1, stride) for i in range(cell)))
    sums = graph.sum_of(*(graph.sliced(down, 3, j, j + stride * (columns - 1) + 1, stride) for j in range(cell)))
    return sums, rows, columns
