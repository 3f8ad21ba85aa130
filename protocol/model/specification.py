"""The allow-listed layers: what a task may ask a phone to train, checked before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from protocol.errors import SpecError
from protocol.messages.task import Layer, ModelSpec
from protocol.strict_toml import nearest

MAX_PARAMETERS = 20_000_000
ORIENTATIONS = 8  # of oriented_gradients, signed
MAX_WIDTH = 1_000_000  # numbers between two layers, for one example

Shape = tuple[int, ...]
_Step = tuple[Shape, tuple[tuple[str, Shape], ...]]  # output shape, parameters


def validate(model: ModelSpec) -> None:
    """Raises SpecError, naming the layer, for anything that is not allowed or does not fit."""
    parameter_shapes(model)


def parameter_shapes(model: ModelSpec) -> tuple[tuple[str, Shape], ...]:
    """Name and shape of every trained tensor, in layer order."""
    return tuple(parameter for _, own in _steps(model) for parameter in own)


def _steps(model: ModelSpec) -> list[_Step]:
    """Of every layer what it gives for one example, and its trained tensors."""
    shape: Shape = model.input_shape
    if min(shape) < 1 or prod(shape) > MAX_WIDTH:
        raise SpecError("model.input_shape", f"{shape} is not of 1 to {MAX_WIDTH} numbers")
    steps: list[_Step] = []
    for number, layer in enumerate(model.layers):
        line = f"model.layers[{number}]"
        if layer.kind not in _LAYERS:
            raise SpecError(f"{line}.kind", f'"{layer.kind}" is not allowed; {nearest(layer.kind, _LAYERS)}')
        names, step = _LAYERS[layer.kind]
        _check_arguments(line, layer, names)
        if layer.kind == "oriented_gradients" and number:
            raise SpecError(line, "oriented_gradients must come first")
        try:
            shape, own = step(shape, layer.arguments)
        except ValueError as error:
            raise SpecError(line, f"{layer.kind}: {error}") from error
        if prod(shape) > MAX_WIDTH:
            raise SpecError(line, f"gives {prod(shape)} numbers for one example; at most {MAX_WIDTH}")
        steps.append((shape, tuple((f"{number}.{name}", size) for name, size in own)))
    if shape != (model.classes,):
        raise SpecError("model.classes", f"the last layer gives {shape} where {model.classes} classes are asked for")
    dimension = sum(prod(size) for _, own in steps for _, size in own)
    if not 0 < dimension <= MAX_PARAMETERS:
        raise SpecError("model.layers", f"{dimension} parameters; a model has 1 to {MAX_PARAMETERS}")
    return steps


def _check_arguments(line: str, layer: Layer, names: tuple[str, ...]) -> None:
    for name in layer.arguments:
        if name not in names:
            known = nearest(name, names) if names else "it takes none"
            raise SpecError(f"{line}.{name}", f"{layer.kind} has no such argument; {known}")
    for name in names:
        if name not in layer.arguments:
            raise SpecError(f"{line}.{name}", f"{layer.kind} needs it; it takes {', '.join(names)}")


def dimension_of(model: ModelSpec) -> int:
    """Number of trained parameters."""
    return sum(prod(size) for _, size in parameter_shapes(model))


def activations_of(model: ModelSpec) -> int:
    """Numbers that one example makes: the input, and what every layer gives."""
    return prod(model.input_shape) + sum(prod(shape) for shape, _ in _steps(model))


def multiplications_of(model: ModelSpec) -> int:
    """Of one example's way through all weights; a convolution uses its own once for each place of its output."""
    return sum(
        prod(size) * prod(shape[1:]) for shape, own in _steps(model) for name, size in own if name.endswith(".weight")
    )


def fixed_layers(model: ModelSpec) -> tuple[Layer, ...]:
    """The leading layers without parameters, computed once for each example."""
    leading = []
    for layer in model.layers:
        if layer.kind not in ("oriented_gradients", "flatten"):
            break
        leading.append(layer)
    return tuple(leading)


def _oriented_gradients(shape: Shape, arguments: Mapping[str, int]) -> _Step:
    cell, stride, padding, scale = (arguments[name] for name in ("cell", "stride", "padding", "scale"))
    if len(shape) != 3 or shape[0] != 1:
        raise ValueError(f"needs one channel of an image, not {shape}")
    if not (1 <= stride <= cell <= min(shape[1:]) and 0 <= padding < cell and 1 <= scale <= 255):
        raise ValueError("arguments out of range")
    rows, columns = ((side + 2 * padding - cell) // stride + 1 for side in shape[1:])
    return (rows * columns * ORIENTATIONS + 1,), ()


def _flatten(shape: Shape, _: Mapping[str, int]) -> _Step:
    return (prod(shape),), ()


def _same(shape: Shape, _: Mapping[str, int]) -> _Step:
    return shape, ()


def _linear(shape: Shape, arguments: Mapping[str, int]) -> _Step:
    outputs, bias = arguments["outputs"], arguments["bias"]
    if len(shape) != 1 or not 1 <= outputs <= MAX_WIDTH or bias not in (0, 1):
        raise ValueError(f"arguments out of range, or not a vector: {shape}")
    own: list[tuple[str, Shape]] = [("weight", (outputs, shape[0]))]
    return (outputs,), tuple(own + ([("bias", (outputs,))] if bias else []))


def _convolution(shape: Shape, arguments: Mapping[str, int]) -> _Step:
    channels, kernel, stride = arguments["channels"], arguments["kernel"], arguments["stride"]
    if len(shape) != 3 or not (1 <= channels <= 4096 and 1 <= kernel <= min(shape[1:]) and 1 <= stride <= kernel):
        raise ValueError(f"arguments out of range, or not an image: {shape}")
    out = (channels, (shape[1] - kernel) // stride + 1, (shape[2] - kernel) // stride + 1)
    return out, (("weight", (channels, shape[0], kernel, kernel)), ("bias", (channels,)))


_LAYERS: dict[str, tuple[tuple[str, ...], Callable[[Shape, Mapping[str, int]], _Step]]] = {
    "oriented_gradients": (("cell", "stride", "padding", "scale"), _oriented_gradients),
    "flatten": ((), _flatten),
    "relu": ((), _same),
    "tanh": ((), _same),
    "linear": (("outputs", "bias"), _linear),
    "convolution": (("channels", "kernel", "stride"), _convolution),
}
