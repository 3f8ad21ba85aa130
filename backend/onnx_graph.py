"""Nodes of an ONNX graph, one after the other, under names that say which layer they belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from protocol.identifiers import sha256

OPSET: Final = 17
IR_VERSION: Final = 8  # that programs of 2022 and later read
DOUBLE: Final = TensorProto.DOUBLE

Step = Callable[["Graph", str, str], str]  # of a scan: the next state, from the state and what the step takes


class Graph:
    """``add`` gives the name of what a node makes; ``constant`` and ``parameter`` those of numbers."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._numbers: dict[str, onnx.TensorProto] = {}
        self._made = 0
        self.layer = ""

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        made = self._name(kind.lower())
        self._nodes.append(helper.make_node(kind, list(inputs), [made], name=made, **attributes))
        return made

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Equal ones are stored once."""
        contiguous = np.ascontiguousarray(values)
        shape = "x".join(map(str, values.shape))
        key = f"number.{values.dtype.name}.{shape}.{sha256(contiguous.tobytes())[:8].hex()}"
        if key not in self._numbers:
            self._numbers[key] = numpy_helper.from_array(contiguous.reshape(values.shape), key)
        return key

    def real(self, value: float) -> str:
        return self.constant(np.array(value))

    def whole(self, *values: int) -> str:
        """A vector, as axes and shapes are."""
        return self.constant(np.array(values, dtype=np.int64))

    def parameter(self, name: str, values: npt.NDArray[np.float32]) -> str:
        """In float32, as it is published; computed with in float64."""
        self._numbers[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return self.add("Cast", name, to=DOUBLE)

    def sliced(self, values: str, axis: int, start: int, end: int, step: int = 1) -> str:
        return self.add("Slice", values, self.whole(start), self.whole(end), self.whole(axis), self.whole(step))

    def scan(self, step: Step, first: str, values: str, width: int, taken_width: int) -> str:
        """The last state (N, width) of ``step`` over ``values`` (steps, N, taken_width)."""
        body = Graph()
        body.layer, body._numbers = f"{self.layer}.step", self._numbers
        state, taken, last = (f"{body.layer}.{name}" for name in ("state", "taken", "last"))
        made = step(body, state, taken)
        body._nodes.append(helper.make_node("Identity", [made], [last]))
        inputs = [
            helper.make_tensor_value_info(name, DOUBLE, ["N", size])
            for name, size in ((state, width), (taken, taken_width))
        ]
        outputs = [helper.make_tensor_value_info(last, DOUBLE, ["N", width])]
        repeated = helper.make_graph(body._nodes, body.layer, inputs, outputs)
        return self.add("Scan", first, values, body=repeated, num_scan_inputs=1)

    def sum_of(self, *terms: str) -> str:
        """From the first to the last."""
        total, *others = terms
        for term in others:
            total = self.add("Add", total, term)
        return total

    def model(
        self, inputs: onnx.ValueInfoProto, outputs: list[tuple[str, onnx.ValueInfoProto]], about: dict[str, str]
    ) -> onnx.ModelProto:
        """``outputs``: what each one is called in here. Raises nothing for a graph of this module's own making."""
        for made, output in outputs:
            self._nodes.append(helper.make_node("Identity", [made], [output.name], name=output.name))
        shown = [output for _, output in outputs]
        graph = helper.make_graph(self._nodes, "hearth", [inputs], shown, list(self._numbers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="hearth")
        model.ir_version = IR_VERSION
        helper.set_model_props(model, about)
        onnx.checker.check_model(model)
        return model

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{self.layer}.{kind}.{self._made}" if self.layer else f"{kind}.{self._made}"
