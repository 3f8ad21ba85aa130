"""Flower's SecAgg+: its own server workflow and its own client modifier, joined by a network that is a function call.

21 shares, threshold 11, nobody drops out. The client's time is the sum over the four rounds; the server's is the
workflow's time outside of the network. Serialisation of messages for transport is not counted, on either side.
"""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.client.mod.secure_aggregation.secaggplus_mod import secaggplus_mod
from flwr.common import Code, FitIns, FitRes, Parameters, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.compat.common.recorddict_compat import fitres_to_recorddict, parameters_to_arrayrecord
from flwr.server.compat.legacy_context import LegacyContext
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.supercore.task_identity import TaskIdentity

from scripts.bench.peers.measurement import Measurement, check_error
from scripts.bench.timing import REPETITIONS, Timing
from scripts.bench.workload import Workload

SHARES = 21
TOLERANCE = 1e-5  # of the largest possible sum: Flower rounds every value to 22 bits at random


def measure(workload: Workload) -> Measurement:
    """The weighted mean that Flower computes, times the sum of weights."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 0, 0, 0  # what a SuperLink would hand out
    client_seconds: list[float] = []
    server_seconds: list[float] = []
    sent, error = 0, 0.0
    largest_sum = sum(workload.weights) * workload.largest
    for _ in range(REPETITIONS):
        network = _Network(workload)
        started = time.perf_counter()
        mean = _run(network, workload)
        server_seconds.append(time.perf_counter() - started - network.seconds)
        off = float(np.abs(mean * largest_sum - workload.weighted_sum).max())
        error = max(error, check_error(off, TOLERANCE * largest_sum))
        client_seconds += network.client_seconds.values()
        sent = max(network.client_bytes.values())
    return Measurement(
        suite=f"SecAgg+, {_shares(workload)} shares",
        dimension=workload.dimension,
        bytes_per_client=sent,
        timings={"client_ms": Timing.of(client_seconds), "server_ms": Timing.of(server_seconds)},
        error=error,
        tolerance=TOLERANCE * largest_sum,
        versions={"flwr": version("flwr")},
        rounds=4,
        notes="client: its four rounds; no drop-outs; messages not serialised",
    )


def _shares(workload: Workload) -> int:
    return min(SHARES, workload.clients)


class _Network:
    """Delivers each message to its client at once, and keeps the time that clients, not the server, spend."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._contexts = {
            node: Context(run_id=0, node_id=node, node_config={}, state=RecordDict(), run_config={})
            for node in range(1, workload.clients + 1)
        }
        self.seconds = 0.0
        self.client_seconds: dict[int, float] = defaultdict(float)
        self.client_bytes: dict[int, int] = defaultdict(int)

    def send_and_receive(self, messages: Iterable[Message], **_: Any) -> list[Message]:
        started = time.perf_counter()
        replies = [self._deliver(message) for message in messages]
        self.seconds += time.perf_counter() - started
        return replies

    def _deliver(self, message: Message) -> Message:
        node, training = message.metadata.dst_node_id, 0.0

        def train(instruction: Message, _: Context) -> Message:
            nonlocal training
            started = time.perf_counter()
            parameters = ndarrays_to_parameters([self._workload.values(node - 1) / self._workload.largest])
            result = FitRes(Status(Code.OK, ""), parameters, self._workload.weights[node - 1], {})
            reply = Message(fitres_to_recorddict(result, keep_input=False), reply_to=instruction)
            training = time.perf_counter() - started
            return reply

        message.content = copy.deepcopy(message.content)  # the modifier takes its message apart; transport copies it
        started = time.perf_counter()
        reply = secaggplus_mod(message, self._contexts[node], train)
        self.client_seconds[node] += time.perf_counter() - started - training
        self.client_bytes[node] += sum(
            _size(value) for record in reply.content.config_records.values() for value in record.values()
        )
        return reply


def _size(value: Any) -> int:
    """Bytes of keys, shares and masked vectors; numbers and names are left out."""
    if isinstance(value, list):
        return sum(_size(item) for item in value)
    return len(value) if isinstance(value, bytes) else 0


def _run(network: _Network, workload: Workload) -> Any:
    collected: list[Parameters] = []

    def aggregate_fit(_: int, results: list[tuple[Any, FitRes]], failures: list[Any]) -> tuple[None, dict[str, Any]]:
        if failures or len(results) != workload.clients:
            raise RuntimeError(f"{len(results)} results, failures: {failures}")
        collected.append(results[0][1].parameters)
        return None, {}

    nothing = ndarrays_to_parameters([np.zeros(1)])
    instructions = [(SimpleNamespace(node_id=node), FitIns(nothing, {})) for node in range(1, workload.clients + 1)]
    strategy = SimpleNamespace(configure_fit=lambda *_: instructions, aggregate_fit=aggregate_fit)
    state = RecordDict({"config": ConfigRecord({"current_round": 1})})
    state.array_records["parameters"] = parameters_to_arrayrecord(nothing, keep_input=True)
    context = LegacyContext(
        Context(run_id=0, node_id=0, node_config={}, state=state, run_config={}),
        strategy=strategy,
        client_manager=SimpleNamespace(num_available=lambda: workload.clients),
    )
    shares = _shares(workload)
    SecAggPlusWorkflow(shares, shares // 2 + 1, max_weight=float(max(workload.weights)), clipping_range=1.0)(
        network, context
    )
    return parameters_to_ndarrays(collected[0])[0]
