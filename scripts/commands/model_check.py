"""``hearth model check``: what a declared model asks of a phone, measured on this machine, and what its noise costs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np

from client_agent.training.gradients import Gradients, prepare
from protocol.canonical import decode
from protocol.errors import MalformedError, Party, SpecError
from protocol.messages.learning import MICRO, ModelSpec
from protocol.messages.task import TaskSpec
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.model.specification import (
    activations_of,
    dimension_of,
    multiplications_of,
    outputs_of,
    parameter_shapes,
    validate,
)
from protocol.model.speed import NEVER, Gradual
from protocol.round.planning import sent_parameters
from protocol.round.scheme import encoding_of
from protocol.strict_toml import TomlFile
from protocol.task.work import MULTIPLICATIONS_PER_SECOND, work_of
from scripts.commands.ready_task import stand_in
from scripts.commands.task_file import MAX_TASK_FILE_BYTES, TaskFile
from storage.bounded_file import read_bounded

_MULTIPLICATIONS: Final = 10**9  # of one measurement
_EXAMPLES: Final = 256  # of one, at most
_TRIES: Final = 3
_PASSES: Final = 3
_UNKNOWN: Final = b"\0" * 32


@dataclass(frozen=True, slots=True)
class Described:
    """A file with a model alone."""

    model: ModelSpec


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one example's clipped gradient on this machine: with compiled loops, once they are loaded; and without."""

    seconds: float
    plain_seconds: float
    peak_bytes: int


def read_model(path: Path) -> tuple[ModelSpec, TaskSpec | None]:
    """Of a task file, of a TOML file with the table ``model`` alone, or of the JSON that ``hearth model fetch`` writes;
    and the task. Raises MalformedError with the line that cannot stand."""
    try:
        data = read_bounded(path, MAX_TASK_FILE_BYTES)
    except OSError as error:
        raise MalformedError(f"{path}: {error.strerror}", fault=Party.OURS) from error
    if path.suffix == ".json" or data.lstrip().startswith(b"{"):
        return _of_json(data, path), None
    toml = TomlFile(data, str(path), max_bytes=MAX_TASK_FILE_BYTES)
    if "task" in toml.tables:
        file = TaskFile(path)
        return file.model, file.spec(_UNKNOWN, _UNKNOWN, stand_in)
    model = toml.read(Described).model
    try:
        validate(model)
    except SpecError as error:
        raise toml.refused(error) from error
    return model, None


def _of_json(data: bytes, path: Path) -> ModelSpec:
    try:
        model = decode(ModelSpec, data.strip())
        validate(model)
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.args[0]}", fault=Party.OURS) from error
    return model


def measured(model: ModelSpec, clock: Callable[[], float]) -> Cost:
    """With random examples and the initial parameters; the best of a few tries."""
    generator = np.random.default_rng(0)
    count = min(_EXAMPLES, max(1, _MULTIPLICATIONS // (_PASSES * multiplications_of(model))))
    examples = (
        generator.uniform(size=(count, *model.input_shape)).astype(np.float32),
        generator.integers(0, model.classes, count),
    )
    fast, plain = (Gradients(model, *examples, work=Gradual(worth)) for worth in (0, NEVER))
    point, sent = initial_parameters(model).astype(np.float64), np.arange(dimension_of(model), dtype=np.uint32)
    prepare()

    def best(gradients: Gradients) -> float:
        """Seconds of one."""
        times = []
        for _ in range(_TRIES):
            started = clock()
            gradients.clipped_sum(point, sent, np.arange(count), 1.0)
            times.append(clock() - started)
        return min(times) / count

    seconds, plain_seconds = best(fast), best(plain)
    tracemalloc.start()
    try:
        best(fast)
        return Cost(seconds, plain_seconds, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def facts_of(model: ModelSpec, spec: TaskSpec | None, cost: Cost) -> dict[str, Any]:
    """Whole numbers and reals, by name."""
    count, layout = dimension_of(model), Layout.of(model)
    facts: dict[str, Any] = {
        "layers": [
            {"kind": layer.kind, "gives": list(shape), "parameters": _parameters(model, number)}
            for number, (layer, shape) in enumerate(zip(model.layers, outputs_of(model), strict=True))
        ],
        "parameters": count,
        "bytes": layout.max_bytes,
        "numbers_of_an_example": activations_of(model),
        "multiplications_of_an_example": multiplications_of(model),
        "gradient_seconds": cost.seconds,
        "plain_gradient_seconds": cost.plain_seconds,
        "peak_bytes": cost.peak_bytes,
        "noise_of_one_clip": sqrt(count),
    }
    return facts | (_of_task(spec, cost) if spec is not None else {})


def _of_task(spec: TaskSpec, cost: Cost) -> dict[str, Any]:
    mechanism, most, sent = spec.learning.mechanism, spec.schedule.max_examples, sent_parameters(spec)
    rate, sigma = mechanism.sampling_rate_ppm / MICRO, mechanism.noise_multiplier_micro / MICRO
    # examples of a step, of a typical household; or its one update
    expected = 1.0 if mechanism.kind == "client" else rate * spec.learning.optimiser.reference_count
    work, noise = work_of(spec), sigma * sqrt(sent) / expected
    return {
        "sent": sent,
        "update_bytes": encoding_of(spec).body_bytes(sent),
        "round_seconds_here": mechanism.local_steps * rate * most * cost.seconds,
        "round_seconds_of_a_slow_phone": work.seconds,
        "round_bytes": work.bytes,
        "household_bytes": 4 * most * prod(spec.model.input_shape),
        "noise_to_signal_of_a_household": noise,
        "noise_to_signal_of_a_round": noise / sqrt(spec.cohort.min_clients),
    }


def _parameters(model: ModelSpec, number: int) -> int:
    return sum(prod(shape) for name, shape in parameter_shapes(model) if name.startswith(f"{number}."))


def lines_of(facts: dict[str, Any]) -> Iterator[str]:
    """One line a fact."""
    for number, layer in enumerate(facts["layers"]):
        gives = " x ".join(map(str, layer["gives"]))
        yield _line("layer" if number == 0 else "", f"{layer['kind']} gives {gives}, {layer['parameters']} parameters")
    yield _line("size", f"{facts['parameters']} parameters, at most {facts['bytes']} bytes")
    yield _line("example", f"{facts['multiplications_of_an_example']} multiplications forwards")
    yield _line("memory", f"{facts['peak_bytes'] / 1e6:.1f} MB while it learns, measured here")
    compiled, plain = (1e3 * facts[name] for name in ("gradient_seconds", "plain_gradient_seconds"))
    yield _line("time", f"{compiled:.3f} ms for a clipped gradient, {plain:.3f} in plain numpy, measured here")
    if "sent" not in facts:
        length = facts["noise_of_one_clip"]
        yield _line("noise", f"{length:.0f} clips long in a step for each unit of the noise multiplier")
        return
    yield _line("examples", f"{facts['household_bytes'] / 1e6:.1f} MB of one household, at most")
    slow = f"{facts['round_seconds_of_a_slow_phone']} s on a phone of {MULTIPLICATIONS_PER_SECOND:.0e} multiplications"
    yield _line("round", f"{facts['round_seconds_here']:.2f} s here, {slow} a second, for the most examples")
    moved = f"a round moves {facts['round_bytes']} bytes"
    yield _line("update", f"{facts['sent']} numbers in {facts['update_bytes']} bytes; {moved}")
    one, all_ = facts["noise_to_signal_of_a_household"], facts["noise_to_signal_of_a_round"]
    yield _line("noise", f"{one:.2f} times as long as what is clipped in a household's step, were it alike, together;")
    yield _line("", f"{all_:.2f} times in a round of the fewest households")


def _line(name: str, fact: str) -> str:
    return f"{name:>11}{':' if name else ' '} {fact}"
