"""What follows from public numbers as a task goes on: the audit derives it again, and finds who deviates from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.audit.report import Report, Status
from protocol.messages.learning import ServerTerms
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import ABANDONED, RoundRecord
from protocol.messages.task import ControlTerms
from protocol.model.layout import Layout
from protocol.model.trained import TrainedModel
from protocol.round.averaging import Average, average_of
from protocol.round.planning import check_plan
from scripts.commands.auditor import run_audit
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.tiny_task import funded_ledger

ADAM = ServerTerms("adam", rate_micro=50_000, momentum_micro=900_000, second_moment_micro=990_000)
ADAPTIVE = ControlTerms(max_local_steps=6, averaged_rounds=2)


def _audit(player: Player) -> Report:
    return run_audit(player.reader, player.store, player.task)


def _failed(report: Report) -> set[int]:
    return {line.number for line in report.lines if line.status is Status.FAIL}


def _steps(player: Player) -> list[int]:
    return sorted(mechanism.local_steps for mechanism in player.planned.elements())


def test_adaptive_steps_averages_and_a_server_with_a_memory_are_derived_again() -> None:
    """Also over a round without a model: the next one goes on from what the last model says."""
    player = Player(funded_ledger("control"), rounds=4, server=ADAM, local_steps=3, control=ADAPTIVE)
    for number in range(1, 5):
        player.play(number, Conduct(end=ABANDONED) if number == 3 else Conduct())
    report = _audit(player)
    assert report.status is Status.PASS, report.failed
    assert _steps(player)[-1] == 3
    assert len(set(_steps(player))) > 1
    assert all(memory.any() for memory in player.trained.memory)
    averaged = average_of(player.spec.model, player.models[:2])
    assert player.store.get(player.store.put(averaged.document), 10**6) == averaged.document


def test_keys_are_given_for_any_steps_that_the_task_allows() -> None:
    """Authorities read no model: what follows exactly is for phones and auditors to say."""
    player = Player(funded_ledger("steps"), rounds=1, control=ADAPTIVE)
    player.play(1, Conduct())
    plan, _ = player.delivered[1]
    for steps, allowed in ((1, True), (6, True), (7, False)):
        changed = replace(plan.learning, mechanism=replace(plan.learning.mechanism, local_steps=steps))
        where = replace(plan, learning=changed), player.spec, player.domain, player.task, 1
        if allowed:
            check_plan(*where)
        else:
            with pytest.raises(Exception, match="learning"):
                check_plan(*where)


def _with_steps(plan: RoundPlan) -> RoundPlan:
    steps = 1 + plan.learning.mechanism.local_steps % 6
    return replace(plan, learning=replace(plan.learning, mechanism=replace(plan.learning.mechanism, local_steps=steps)))


def _without_memory(model: TrainedModel) -> TrainedModel:
    return replace(model, memory=tuple(0 * vector for vector in model.memory))


def _more_steps(model: TrainedModel) -> TrainedModel:
    assert model.control is not None
    return replace(model, control=replace(model.control, local_steps=1 + model.control.local_steps % 6))


@pytest.mark.parametrize(
    ("lies", "checks"),
    [
        pytest.param({"plan": _with_steps}, {7, 18, 20}, id="other local steps than follow"),
        pytest.param({"model": _without_memory}, {18}, id="a server that forgets"),
        pytest.param({"model": _more_steps}, {18}, id="steps of its own for the next round"),
        pytest.param({"average": lambda average: Average(average.document[:-1] + b"1", 2)}, {18}, id="an average"),
        pytest.param({"average": lambda average: Average(average.document, 3)}, {18}, id="an average of more"),
        pytest.param({"average": lambda _: Average()}, {18}, id="no average"),
    ],
)  # fmt: skip
def test_a_lie_about_what_follows_is_found(lies: dict[str, Any], checks: set[int], request: Any) -> None:
    player = Player(funded_ledger(request.node.callspec.id), rounds=2, server=ADAM, control=ADAPTIVE)
    player.play(1, Conduct())
    player.play(2, Conduct(lies=lies))
    failed = _failed(_audit(player))
    assert failed, "nothing was noticed"
    assert failed <= checks


def test_an_average_of_fewer_models_is_told_and_no_failure() -> None:
    """A server may not be able to read an earlier model any more; nobody is paid by the average."""
    player = Player(funded_ledger("short average"), rounds=2, control=ADAPTIVE)
    player.play(1, Conduct())
    player.play(2, Conduct(lies={"average": lambda _: average_of(player.spec.model, player.models[:1])}))
    report = _audit(player)
    assert report.status is Status.PASS, report.failed
    assert any("an average of 1 models, of 2" in line.detail for line in report.lines)


def test_a_round_after_the_early_stop_is_a_breach_of_the_terms() -> None:
    """The ledger opens it, since it knows nothing of models; what was earned before is paid all the same."""
    player = Player(funded_ledger("stop"), rounds=9, control=ControlTerms(patience=1))
    counts: list[int] = []
    while len(counts) < 2 or counts[-1] > max(counts[:-1]):
        player.play(len(counts) + 1, Conduct())
        counts.append(player.count()[0])
    assert _audit(player).status is Status.PASS
    player.play(len(counts) + 1, Conduct())
    report = _audit(player)
    assert _failed(report) == {7}, report.failed
    assert any(f"stopped early, after round {len(counts)}" in line.detail for line in report.lines)


def test_the_published_model_has_what_the_task_says_and_nothing_else() -> None:
    player = Player(funded_ledger("tensors"), rounds=1, server=ADAM, control=ADAPTIVE)
    player.play(1, Conduct(lies={"record": lambda record: _kept(record)}))
    layout = Layout.published(player.spec)
    assert layout.memory == ("server.momentum", "server.second_moment")
    assert layout.controlled


def _kept(record: RoundRecord) -> RoundRecord:
    assert record.averaged_rounds == 1
    return record
