"""Attacks through the whole protocol: equal to the same in the clear, and what is not equal is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.identifiers import ZERO_DIGEST
from protocol.round.update_noise import unit_of
from scripts.evaluate.evaluation import Silent
from scripts.evaluate.poisoned import defences
from scripts.evaluate.poisoned.attackers import ATTACKS
from scripts.evaluate.poisoned.defences import Scale
from scripts.evaluate.poisoned.protocol_run import Beside, Ended, Protocol, run_protocol
from scripts.evaluate.poisoned.protocol_task import INITIAL, task_of
from scripts.evaluate.poisoning_protocol import (
    ProtocolCase,
    protocol_cases,
    protocol_cells,
    protocol_found,
    protocol_row,
    protocol_table,
)
from scripts.evaluate.runner import run_cells

MISLED = ProtocolCase("sign flip", "little", rounds=5).setting


class Parts:
    """An evaluation of the small profile's runs alone."""

    name = "protocol"

    def cells(self, profile: Any) -> Any:
        return protocol_cells(profile, None)

    def report(self, profile: Any, results: Any) -> Any:
        raise NotImplementedError


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    kept = run_cells(Parts(), "small", None, lambda *_: Silent())
    return {key: one["result"] for key, one in kept.items()}


@pytest.fixture(scope="module")
def played() -> tuple[Protocol, list[Ended]]:
    protocol = Protocol(MISLED, 1)
    return protocol, list(protocol.rounds())


def test_every_attack_is_in_the_full_profile_and_on_and_off_gets_to_its_attack() -> None:
    cases = protocol_cases("full")
    assert {case.attack for case in cases} == set(ATTACKS)
    for case in cases:
        attack = ATTACKS[case.attack]
        assert attack.active(case.rounds), case
        assert case.rounds < INITIAL or case.attack == "on and off", "a rejection in each round leaves it planned"
    assert {case.setting.rule for case in cases} == {"foolsgold", "alignment", "krum"}
    assert len({case.key for case in cases}) == len(cases)


def test_the_small_profile_is_equal_to_the_same_in_the_clear(small: dict[str, Any]) -> None:
    found = protocol_found("small", None, small)
    assert [cell["differences"] for cells in found.values() for cell in cells] == [[]] * 4
    row, table = protocol_row(found), protocol_table(found)
    assert (row.value, row.met) == (0, True)
    assert [line[-1] for line in table.rows] == ["yes"] * 4
    assert all(len(line) == len(table.headings) for line in table.rows)
    by_attack = {line[0]: dict(zip(table.headings, line, strict=True)) for line in table.rows}
    assert by_attack["boosted"]["attackers named"] == "norm 6"
    assert by_attack["sign flip"]["attackers in the sum"] == "0 %"
    assert by_attack["sign flip"]["honest in the sum"] == "100 %"
    assert by_attack["rider, copies"]["called idle: attackers"] != "0 %"
    assert {line["published"] for line in by_attack.values()} == {"3"}, "after probation"


def test_a_difference_is_counted_by_its_round_and_misses_the_target(small: dict[str, Any]) -> None:
    key = "protocol.boosted.little.1"
    spoilt = small | {key: {**small[key], "differences": ["round 4: sums", "round 4: verdict", "round 5: sums"]}}
    found = protocol_found("small", None, spoilt)
    assert (protocol_row(found).value, protocol_row(found).met) == (2, False)
    assert [line[-1] for line in protocol_table(found).rows] == ["no", "yes", "yes", "yes"]


def test_what_was_not_run_is_not_in_the_table(small: dict[str, Any]) -> None:
    assert protocol_found("small", 2, small) == {}, "one seed of two"
    assert len(protocol_found("small", None, {"protocol.boosted.little.1": small["protocol.boosted.little.1"]})) == 1


def test_sums_are_those_of_the_accepted_with_their_weights(played: tuple[Protocol, list[Ended]]) -> None:
    protocol, rounds = played
    assert [one.finished.request is None for one in rounds] == [True, True, True, False, False]
    for one in rounds[3:]:
        assert one.finished.request is not None and one.finished.sums is not None
        weights = {entry.client: entry.weight for entry in one.finished.request.entries}
        assert tuple(sorted(weights)) == one.evidence.verdict.accepted
        honest = {
            client for client, is_honest in zip(protocol.clients, protocol.crowd.honest, strict=True) if is_honest
        }
        assert weights.keys() == honest
        by_rank = np.array([weights.get(client, 0) for client in protocol.clients])
        assert np.array_equal(by_rank @ one.sent, one.finished.sums)


def _other_integer(ended: Ended) -> Ended:
    """Of a client that is accepted."""
    sent, clients = ended.sent.copy(), [entry.client for entry in ended.finished.plan.weights]
    sent[clients.index(ended.evidence.verdict.accepted[0]), 5] += 1
    return replace(ended, sent=sent)


def _other_sketch(ended: Ended) -> Ended:
    return replace(ended, beacon=ZERO_DIGEST)


def _other_idle(ended: Ended) -> Ended:
    verdict = replace(ended.evidence.verdict, idle=ended.evidence.verdict.accepted[:1])
    return replace(ended, evidence=replace(ended.evidence, verdict=verdict))


def _other_weight(ended: Ended) -> Ended:
    plan = ended.finished.plan
    weights = (replace(plan.weights[0], weight=plan.weights[0].weight - 1), *plan.weights[1:])
    return replace(ended, finished=replace(ended.finished, plan=replace(plan, weights=weights)))


def _other_money(ended: Ended) -> Ended:
    client = ended.evidence.verdict.accepted[0]
    money, reputation = ended.after[client]
    return replace(ended, after={**ended.after, client: (money + 1, reputation)})


def _other_reason(ended: Ended) -> Ended:
    settlement = ended.finished.settlement
    verdict = settlement.record.verdict
    rejected = (replace(verdict.rejected[0], reason="norm"), *verdict.rejected[1:])
    record = replace(settlement.record, verdict=replace(verdict, rejected=rejected))
    return replace(ended, finished=replace(ended.finished, settlement=replace(settlement, record=record)))


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (_other_integer, {"verdict", "sums"}),
        (_other_sketch, {"verdict"}),
        (_other_idle, {"verdict"}),
        (_other_weight, {"weights"}),
        (_other_money, {"money and reputation"}),
        (_other_reason, {"accepted set"}),
    ],
)
def test_what_is_not_equal_is_seen(
    played: tuple[Protocol, list[Ended]], change: Callable[[Ended], Ended], seen: set[str]
) -> None:
    protocol, rounds = played
    beside = Beside(MISLED, protocol, rounds[0].finished)
    for number, ended in enumerate(rounds[:-1], start=1):
        assert beside.differences(number, ended) == []
    found = beside.differences(len(rounds), change(rounds[-1]))
    assert seen <= {fault.removeprefix("round 5: ") for fault in found}
    assert len(found) <= 3, "no more than what follows"


def test_a_verdict_that_counts_noise_otherwise_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defences, "mean_noise", lambda *_: 0)
    setting = ProtocolCase("label flip", "much", rounds=6).setting
    assert "round 5: verdict" in run_protocol(setting, 1, Silent())["differences"]


def test_the_task_means_by_its_terms_what_the_run_means() -> None:
    for case in protocol_cases("full"):
        setting = case.setting
        spec, _ = task_of(setting)
        scale = Scale(650, setting.step.longest, setting.step.deviation)
        assert float(unit_of(spec.learning.quantiser)) == pytest.approx(scale.unit, rel=1e-6)
        assert spec.screening.clip == scale.clip and spec.screening.probation == setting.probation
