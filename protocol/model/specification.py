"""The allow-listed layers: what a task may ask a phone to train, checked before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from protocol.errors import SpecError
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.window import Window
from protocol.strict_toml import nearest

MAX_PARAMETERS = 20_000_000
ORIENTATIONS = 8  # of oriented_gradients, signed
MAX_CHANNELS = 4096
KEPT_OF_A_STEP = 11  # numbers of a recurrent layer for each unit: of the states, of what they came from, of the errors
MAX_WIDTH = 1_000_000  # numbers between two layers, for one example

Shape = tuple[int, ...]
Tensors = tuple[tuple[str, Shape], ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """What a layer gives for one example, its trained tensors, how often it uses each weight, and the numbers that it
    keeps besides."""

    shape: Shape
    own: Tensors = ()
    uses: int = 1
    kept: int = 0


def validate(model: ModelSpec) -> None:
    """Raises SpecError, naming the layer, for anything that is not allowed or does not fit."""
    parameter_shapes(model)


def parameter_shapes(model: ModelSpec) -> Tensors:
    """Name and shape of every trained tensor, in layer order."""
    return tuple(parameter for step in _steps(model) for parameter in step.own)


def outputs_of(model: ModelSpec) -> tuple[Shape, ...]:
    """What every layer gives for one example."""
    return tuple(step.shape for step in _steps(model))


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
        names, step_of = _LAYERS[layer.kind]
        _check_arguments(line, layer, names)
        if layer.kind == "oriented_gradients" and number:
            raise SpecError(line, "oriented_gradients must come first")
        try:
            step = step_of(shape, layer)
        except ValueError as error:
            raise SpecError(line, f"{layer.kind}: {error}") from error
        shape, made = step.shape, prod(step.shape) + step.kept
        if made > MAX_WIDTH:
            raise SpecError(line, f"gives {made} numbers for one example; at most {MAX_WIDTH}")
        steps.append(replace(step, own=tuple((f"{number}.{name}", size) for name, size in step.own)))
    if shape != (model.classes,):
        raise SpecError("model.classes", f"the last layer gives {shape} where {model.classes} classes are asked for")
    dimension = sum(prod(size) for step in steps for _, size in step.own)
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
    """Numbers that one example makes: the input, what every layer gives, and what it keeps for its gradients."""
    return prod(model.input_shape) + sum(prod(step.shape) + step.kept for step in _steps(model))


def multiplications_of(model: ModelSpec) -> int:
    """Of one example's way through all weights; a convolution uses its own once for each place of its output, a
    recurrent layer once for each step."""
    return sum(prod(size) * step.uses for step in _steps(model) for name, size in step.own if name.endswith(".weight"))


def fixed_layers(model: ModelSpec) -> tuple[Layer, ...]:
    """The leading layers without parameters, computed once for each example."""
    leading = []
    for layer in model.layers:
        if layer.kind not in ("oriented_gradients", "flatten"):
            break
        leading.append(layer)
    return tuple(leading)


def _oriented_gradients(shape: Shape, layer: Layer) -> _Step:
    cell, stride, padding, scale = (layer.arguments[name] for name in ("cell", "stride", "padding", "scale"))
    if len(shape) != 3 or shape[0] != 1:
        raise ValueError(f"needs one channel of an image, not {shape}")
    if not (1 <= stride <= cell <= min(shape[1:]) and 0 <= padding < cell and 1 <= scale <= 255):
        raise ValueError("arguments out of range")
    rows, columns = ((side + 2 * padding - cell) // stride + 1 for side in shape[1:])
    return _Step((rows * columns * ORIENTATIONS + 1,))


def _flatten(shape: Shape, _: Layer) -> _Step:
    return _Step((prod(shape),))


def _same(shape: Shape, _: Layer) -> _Step:
    return _Step(shape)


def _linear(shape: Shape, layer: Layer) -> _Step:
    outputs, bias = layer.arguments["outputs"], layer.arguments["bias"]
    if len(shape) != 1 or not 1 <= outputs <= MAX_WIDTH or bias not in (0, 1):
        raise ValueError(f"arguments out of range, or not a vector: {shape}")
    own: list[tuple[str, Shape]] = [("weight", (outputs, shape[0]))]
    return _Step((outputs,), tuple(own + ([("bias", (outputs,))] if bias else [])))


def _convolution(shape: Shape, layer: Layer) -> _Step:
    channels, window = layer.arguments["channels"], Window.of(layer)
    if len(shape) != 3 or not (1 <= channels <= MAX_CHANNELS and window.fits(*shape[1:])):
        raise ValueError(f"arguments out of range, or not an image: {shape}")
    rows, columns = window.places(*shape[1:])
    own = (("weight", (channels, shape[0], window.rows, window.columns)), ("bias", (channels,)))
    return _Step((channels, rows, columns), own, rows * columns)


def _pool(shape: Shape, layer: Layer) -> _Step:
    window = Window.of(layer)
    if len(shape) != 3 or not window.fits(*shape[1:]):
        raise ValueError(f"arguments out of range, or not an image: {shape}")
    return _Step((shape[0], *window.places(*shape[1:])))


def _global_pool(shape: Shape, layer: Layer) -> _Step:
    kinds = layer.arguments["mean"], layer.arguments["maximum"]
    if len(shape) < 2 or not set(kinds) <= {0, 1} or not any(kinds):
        raise ValueError(f"needs channels, not {shape}; mean and maximum are 0 or 1, one of them 1")
    return _Step((shape[0] * sum(kinds),))


def _gru(shape: Shape, layer: Layer) -> _Step:
    units = layer.arguments["units"]
    if len(shape) != 2 or not 1 <= units <= MAX_CHANNELS:
        raise ValueError(f"arguments out of range, or not steps of features: {shape}")
    steps, features = shape
    own = (("input.weight", (3 * units, features)), ("hidden.weight", (3 * units, units)), ("bias", (3 * units,)))
    return _Step((units,), own, steps, KEPT_OF_A_STEP * steps * units)


_RECTANGLE = ("channels", "rows", "columns", "row_stride", "column_stride")
_LAYERS: dict[str, tuple[tuple[str, ...], Callable[[Shape, Layer], _Step]]] = {
    "oriented_gradients": (("cell", "stride", "padding", "scale"), _oriented_gradients),
    "flatten": ((), _flatten),
    "relu": ((), _same),
    "tanh": ((), _same),
    "sigmoid": ((), _same),
    "linear": (("outputs", "bias"), _linear),
    "convolution": (("channels", "kernel", "stride"), _convolution),
    "rectangular_convolution": (_RECTANGLE, _convolution),
    "mean_pool": (("rows", "columns"), _pool),
    "max_pool": (("rows", "columns"), _pool),
    "global_pool": (("mean", "maximum"), _global_pool),
    "gru": (("units",), _gru),
}
