"""Server optimisers: against their formulas, what they remember, and the one encoding of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from protocol.errors import MalformedError, SpecError
from protocol.messages.learning import MICRO, LearningTerms, ServerTerms
from protocol.messages.task import ControlTerms, TaskSpec
from protocol.model.initialization import initial_parameters
from protocol.model.layout import MEMORY_BOUND, PARAMETER_BOUND, Layout
from protocol.model.step import apply_step
from protocol.model.trained import Control, TrainedModel, check_server
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import dequantise
from tests.samples import sample_spec

SPEC = sample_spec()
MOMENTUM = ServerTerms("momentum", rate_micro=500_000, momentum_micro=900_000)
ADAM = ServerTerms("adam", rate_micro=6_000, momentum_micro=900_000, second_moment_micro=990_000, stability_micro=1_000)
SENT = [
    IndexSet(np.array(places, dtype=np.uint32), np.zeros(len(places), dtype=bool), 21)
    for places in ([0, 4, 20], [4, 5])
]
SUMS = [np.array([100, -200, 3_000]), np.array([700, 70])]


def _learning(server: ServerTerms) -> LearningTerms:
    return replace(SPEC.learning, server=server)


def _spec(server: ServerTerms, max_local_steps: int = 0) -> TaskSpec:
    return replace(SPEC, learning=_learning(server), control=ControlTerms(max_local_steps=max_local_steps))


def _start() -> TrainedModel:
    return TrainedModel(initial_parameters(SPEC.model) + np.float32(0.25))


def _played(server: ServerTerms) -> TrainedModel:
    model = _start()
    for sent, sums in zip(SENT, SUMS, strict=True):
        model = apply_step(model, sent, sums, 7, _learning(server))
    return model


def _updates() -> list[npt.NDArray[np.float64]]:
    return [dequantise(sums, SPEC.learning.quantiser) / 7 for sums in SUMS]


def test_a_mean_remembers_nothing_and_moves_by_its_rate() -> None:
    one, two = _updates()
    expected = _start().parameters.astype(np.float64)
    expected[SENT[0].indices] += 0.5 * one
    expected = expected.astype(np.float32).astype(np.float64)
    expected[SENT[1].indices] += 0.5 * two
    found = _played(ServerTerms(rate_micro=MICRO // 2))
    assert found.memory == ()
    assert np.array_equal(found.parameters, expected.astype(np.float32))


def test_momentum_adds_what_is_left_of_earlier_updates_where_something_came() -> None:
    one, two = _updates()
    found = _played(MOMENTUM)
    moved = found.parameters.astype(np.float64) - _start().parameters
    assert moved[0] == pytest.approx(0.5 * one[0], rel=1e-5)
    assert moved[4] == pytest.approx(0.5 * (one[1] + (0.9 * one[1] + two[0])), rel=1e-5)
    assert moved[5] == pytest.approx(0.5 * two[1], rel=1e-5)
    (momentum,) = found.memory
    assert momentum[[0, 4, 5]] == pytest.approx([one[0], 0.9 * one[1] + two[0], two[1]], rel=1e-6)
    assert not momentum[[1, 2, 3, 6]].any(), "of what was not sent nothing is known"


def test_adam_is_that_of_reddi_and_others() -> None:
    """Algorithm 2 of arXiv 2003.00295: no correction of the bias, and the second moment begins at the stability's
    square."""
    one, two = _updates()
    found = _played(ADAM)
    first = second = 0.0
    second, moved = 0.001**2, 0.0
    for update in (one[1], two[0]):
        first = 0.9 * first + 0.1 * update
        second = 0.99 * second + 0.01 * update**2
        moved += 0.006 * first / (second**0.5 + 0.001)
    assert found.parameters[4] - _start().parameters[4] == pytest.approx(moved, rel=1e-4)
    assert found.memory[0][4] == pytest.approx(first, rel=1e-6)
    assert found.memory[1][4] == pytest.approx(second, rel=1e-6)
    assert found.memory[1][1] == np.float32(1e-6)


@pytest.mark.parametrize("server", [ServerTerms(), MOMENTUM, ADAM], ids=lambda server: server.kind)
@pytest.mark.parametrize("control", [None, Control(7, 0.125, 0.5, 3.0)])
def test_what_a_round_publishes_has_one_encoding_that_says_all_of_it(
    server: ServerTerms, control: Control | None
) -> None:
    """A server that was killed reads the very model that it had: phones read the parameters of it alone."""
    layout = Layout.published(_spec(server, 9 if control else 0))
    model = replace(_played(server), control=control)
    data = layout.encode(model)
    read = layout.decode(data)
    assert len(data) <= layout.max_bytes
    assert layout.encode(read) == data
    assert (read.control, len(read.memory)) == (control, len(model.memory))
    assert np.array_equal(layout.from_safetensors(data), model.parameters)
    later, same = (apply_step(one, SENT[1], SUMS[1], 3, _learning(server)) for one in (model, read))
    assert layout.encode(later) == layout.encode(same)
    assert layout.decode(layout.to_safetensors(model.parameters)).memory == (), "as the initial model comes"


def test_other_tensors_and_impossible_ones_are_refused() -> None:
    model, layout = _played(ADAM), Layout.published(_spec(ADAM))
    first, second = model.memory
    for memory in ((second,), (first, -second), (first, second * np.float32(np.nan)), (first * np.inf, second)):
        with pytest.raises(MalformedError):
            layout.decode(layout.encode(replace(model, memory=memory)))
    with pytest.raises(MalformedError):
        layout.decode(layout.encode(replace(model, control=Control(3, 1.0, 1.0, 1.0))))
    controlled = Layout.published(_spec(ADAM, 9))
    for control in (Control(0, 1.0, 1.0, 1.0), Control(3, 0.0, 1.0, 1.0), Control(3, 1.0, -1.0, 1.0), None):
        with pytest.raises(MalformedError):
            controlled.decode(controlled.encode(replace(model, control=control)))


@pytest.mark.parametrize("server", [MOMENTUM, ADAM], ids=lambda server: server.kind)
def test_the_largest_updates_make_no_model_that_phones_refuse(server: ServerTerms) -> None:
    learning = replace(_learning(server), quantiser=replace(SPEC.learning.quantiser, bound_micro=2**40))
    layout, model = Layout.published(_spec(server)), _start()
    everything = IndexSet(np.arange(21, dtype=np.uint32), np.ones(21, dtype=bool), 21)
    scaled = replace(learning, sparsity=replace(learning.sparsity, scale_micro=10**12))
    for _ in range(3):
        model = apply_step(model, everything, np.full(21, 7 * 32_767), 7, scaled)
    assert layout.decode(layout.encode(model)).memory[-1].max() <= MEMORY_BOUND
    assert np.abs(model.parameters).max() <= PARAMETER_BOUND


def test_terms_that_mean_nothing_are_refused() -> None:
    check_server(ServerTerms())
    check_server(MOMENTUM)
    check_server(ADAM)
    for line, server in (
        ("learning.server.kind", ServerTerms("sgd")),
        ("learning.server.momentum", ServerTerms(momentum_micro=1)),
        ("learning.server.second_moment", replace(MOMENTUM, second_moment_micro=1)),
    ):
        with pytest.raises(SpecError) as caught:
            check_server(server)
        assert caught.value.line == line
