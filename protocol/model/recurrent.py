"""A gated recurrent unit over the steps of one example: its last state, and its gradients through time.

Cho et al. 2014, as the traffic paper writes it (Liu et al. 2020): z and r are sigmoids of W [h, x] + b, the candidate
tanh(W [r h, x] + b), the next state (1 - z) h + z candidate. The reset comes before the product. The first state is 0.
``input.weight`` (3 units, features), ``hidden.weight`` (3 units, units) and ``bias`` (3 units,) hold z, r and the
candidate, in this order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from protocol.model.arithmetic import Arithmetic, Reals, sigmoid, tanh, total


@dataclass(frozen=True, slots=True)
class Memory:
    """All steps of n examples, each array of shape (steps, units, n): the state before a step, then what it made."""

    before: Reals
    update: Reals
    reset: Reals
    kept: Reals  # reset times the state before
    candidate: Reals


def last_state(values: Reals, tensors: Mapping[str, Reals], arithmetic: Arithmetic) -> tuple[Reals, Memory]:
    """The state (units, n) after the last step of ``values`` (steps, features, n), and what the gradients need."""
    hidden = tensors["hidden.weight"]
    units, (steps, features, count) = hidden.shape[1], values.shape
    memory = Memory(*(np.empty((steps, units, count)) for _ in range(5)))
    flat = np.ascontiguousarray(np.moveaxis(values, 1, 0)).reshape(features, -1)
    given = arithmetic.product(tensors["input.weight"], flat) + tensors["bias"][:, None]
    given = given.reshape(3 * units, steps, count)
    gates, last = hidden[: 2 * units], hidden[2 * units :]
    state = np.zeros((units, count))
    for step in range(steps):
        opened = sigmoid(given[: 2 * units, step] + arithmetic.product(gates, state), arithmetic)
        update, reset = opened[:units], opened[units:]
        kept = reset * state
        candidate = tanh(given[2 * units :, step] + arithmetic.product(last, kept), arithmetic)
        memory.before[step], memory.update[step], memory.reset[step] = state, update, reset
        memory.kept[step], memory.candidate[step] = kept, candidate
        state = (1.0 - update) * state + update * candidate
    return state, memory


def gradients(
    values: Reals, tensors: Mapping[str, Reals], memory: Memory, errors: Reals, arithmetic: Arithmetic
) -> tuple[dict[str, Reals], Reals]:
    """Of each example's tensors, (size, n) by name; and the errors of what was sent to the product with
    ``input.weight``, (steps, 3 units, n), for ``errors`` (units, n) of the last state."""
    hidden = tensors["hidden.weight"]
    units, (steps, _, count) = hidden.shape[1], values.shape
    gates, last = np.ascontiguousarray(hidden[: 2 * units].T), np.ascontiguousarray(hidden[2 * units :].T)
    made = np.empty((steps, 3 * units, count))
    for step in reversed(range(steps)):
        before, update, reset = memory.before[step], memory.update[step], memory.reset[step]
        candidate = memory.candidate[step]
        of_update, of_reset, of_candidate = made[step, :units], made[step, units : 2 * units], made[step, 2 * units :]
        of_update[:] = errors * (candidate - before) * (update * (1.0 - update))
        of_candidate[:] = errors * update * (1.0 - candidate * candidate)
        of_kept = arithmetic.product(last, of_candidate)
        of_reset[:] = of_kept * before * (reset * (1.0 - reset))
        errors = errors * (1.0 - update) + of_kept * reset + arithmetic.product(gates, made[step, : 2 * units])
    inputs = arithmetic.outer_sums(made, values)
    opened = arithmetic.outer_sums(np.ascontiguousarray(made[:, : 2 * units]), memory.before)
    proposed = arithmetic.outer_sums(np.ascontiguousarray(made[:, 2 * units :]), memory.kept)
    found = {
        "input.weight": inputs.reshape(-1, count),
        "hidden.weight": np.concatenate([opened.reshape(-1, count), proposed.reshape(-1, count)]),
        "bias": total(made),
    }
    return found, made


def input_errors(weight: Reals, made: Reals, arithmetic: Arithmetic) -> Reals:
    """Of the inputs, (steps, features, n), from those of ``weight``'s products, (steps, 3 units, n)."""
    steps, _, count = made.shape
    flat = np.ascontiguousarray(np.moveaxis(made, 1, 0)).reshape(made.shape[1], -1)
    found = arithmetic.product(np.ascontiguousarray(weight.T), flat).reshape(-1, steps, count)
    return np.ascontiguousarray(np.moveaxis(found, 1, 0))
