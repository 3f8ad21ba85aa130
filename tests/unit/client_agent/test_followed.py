"""What a phone keeps of its rounds for its owner's own figures, and what those figures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.journal import AgentJournal
from client_agent.privacy.bayesian import BERNSTEIN, FEW, HEADLINE, RIGHT, Trajectory
from client_agent.privacy.followed import (
    FollowedRound,
    FollowedTerms,
    decode_followed,
    encode_followed,
    followed_in,
    places_of,
    trajectory_of,
)
from client_agent.privacy.moments import Release
from client_agent.privacy.own_figures import OwnFigures, own_figures
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, BayesianTerms
from protocol.privacy.figure import Definition, PrivacyFigure, millionths
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.port import SampledGaussian
from protocol.round.training import LENGTH_PARTS, NOBODY, Followed
from protocol.round.update import Update
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.samples import sample_spec
from tests.unit.client_agent.scene_learning import TERMS
from tests.unit.client_agent.test_agent_journal import KEYS, DyingRecords, KilledError, _sealed

TARGET = 2 * MICRO


def followed(names: Sequence[int], steps: int, seed: int) -> Followed:
    random = np.random.default_rng(seed)
    lengths = random.integers(0, LENGTH_PARTS // 2, (steps, len(names))).astype(np.uint16)
    return Followed(np.array(names, dtype=np.uint64), lengths)


def kept(held_out: Followed, noise_micro: int = 5 * MICRO, trained: Followed = NOBODY) -> FollowedRound:
    return FollowedRound(FollowedTerms(100_000, noise_micro, 6, TARGET), held_out, trained)


def _rounds(held: int, rounds: int = 3, steps: int = 4) -> list[FollowedRound]:
    return [kept(followed(range(held), steps, seed)) for seed in range(rounds)]


def _same(one: Followed, other: Followed) -> bool:
    return np.array_equal(one.names, other.names) and np.array_equal(one.lengths, other.lengths)


def test_an_example_takes_two_bytes_for_a_step_and_eight_for_a_round() -> None:
    sizes = [len(encode_followed(followed(range(held), 10, 1), NOBODY)) for held in (0, 600)]
    assert 600 * (8 + 2 * 10) <= sizes[1] - sizes[0] <= 600 * (8 + 2 * 10) + 64 and sizes[0] < 400


@pytest.mark.parametrize("held", [0, 5])
@pytest.mark.parametrize("trained", [NOBODY, followed([1, 2**64 - 1], 3, 4)], ids=["nobody", "two"])
def test_what_is_kept_is_read_back(held: int, trained: Followed) -> None:
    before = followed(range(held), 3, 1)
    after, others = decode_followed(encode_followed(before, trained))
    assert _same(before, after) and _same(trained, others)
    assert after.lengths.shape == (3, held), "steps without anybody held out count, too"


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage", encode_followed(replace(followed([1, 2], 3, 1), names=np.arange(3, dtype=np.uint64)), NOBODY)],
)
def test_what_is_no_record_of_lengths(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_followed(data)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_update_and_what_it_took_are_kept_together(when: str) -> None:
    records = DyingRecords()
    journal = AgentJournal(records)
    journal.keep_keys(KEYS)
    records.dies = when
    with pytest.raises(KilledError):
        journal.seal(_sealed(1), b"body", kept(followed([3, 4, 5], 2, 1)))
    records.dies = None
    again = AgentJournal(records)
    assert (1 in again.sealed) == (len(again.followed) == 1) == (when == "after")


def test_rounds_are_read_in_their_order_and_only_those_with_examples(tmp_path: Path) -> None:
    journal = AgentJournal(Journal(tmp_path / "journal"))
    journal.keep_keys(KEYS)
    for number in (2, 11, 3, 12):
        if number == 3:
            continue
        journal.seal(_sealed(number), b"body", None if number == 11 else kept(followed([number], 1, 1)))
    journal.close()
    again = AgentJournal(Journal(tmp_path / "journal"))
    assert [one.held_out.names.tolist() for one in again.followed] == [[2], [12]]
    first = again.followed[0]
    assert (first.terms, first.steps) == (FollowedTerms(100_000, 5 * MICRO, 6, TARGET), 1)
    for path in tmp_path.rglob("followed-*"):
        assert path.stat().st_mode & 0o077 == 0
    again.close()


def test_a_secret_of_an_enrolment_and_a_rung_stay_what_they_first_were() -> None:
    records = MemoryRecords()
    assert AgentJournal(records).rung is None
    assert AgentJournal(records).keep_rung(0) == 0 == AgentJournal(records).keep_rung(3) == AgentJournal(records).rung
    assert AgentJournal(records).secret(b"\1" * 32) == b"\1" * 32 == AgentJournal(records).secret(b"\2" * 32)


def test_terms_are_kept_as_they_really_were() -> None:
    update, privacy = Update(np.zeros(1, dtype=np.int64), (), followed([1], 2, 1)), sample_spec().privacy
    bayesian = replace(TERMS, bayesian=BayesianTerms(TARGET, 9, 1, (2 * MICRO, 7 * MICRO), 0))
    found = followed_in(update, bayesian.on_rung(1), privacy)
    assert found is not None
    assert found.terms == FollowedTerms(MICRO, 7 * MICRO, 9, TARGET)
    adapted = replace(bayesian, bayesian=replace(bayesian.bayesian, selection_epsilon_micro=5))
    of_choice = followed_in(update, adapted, privacy)
    assert of_choice is not None and (of_choice.terms.selection_micro, of_choice.terms.rungs) == (5, 2)
    assert followed_in(update, TERMS, privacy) is None
    of_budgets = followed_in(replace(update, trained=followed([1], 2, 1)), TERMS, privacy)
    assert of_budgets is not None
    assert (of_budgets.terms.delta_exponent, of_budgets.terms.target_micro) == (privacy.delta_exponent, 0)


def test_places_by_name() -> None:
    among = np.array([7, 3, 9, 3], dtype=np.uint64)
    assert places_of(np.array([9, 4, 7, 2**64 - 1], dtype=np.uint64), among).tolist() == [2, -1, 0, -1]
    assert places_of(among, np.zeros(0, dtype=np.uint64)).tolist() == [-1] * 4


def test_the_trajectory_is_of_who_was_held_out_in_every_round_wherever_it_stood() -> None:
    first, second = followed([5, 6, 7, 8, 9], 2, 1), followed([9, 1, 8, 6, 2, 5], 3, 2)
    noises = 5 * MICRO, 7 * MICRO
    found = trajectory_of([kept(first, noises[0]), kept(second, noises[1])])
    expected = Trajectory(4)
    for lengths in first.lengths[:, [0, 1, 3, 4]]:
        expected.add(lengths / LENGTH_PARTS, Release(0.1, 1.0, 5.0))
    for lengths in second.lengths[:, [5, 3, 2, 0]]:
        expected.add(lengths / LENGTH_PARTS, Release(0.1, 1.0, 7.0))
    assert found is not None and found.held == 4
    assert found.epsilon(HEADLINE, 6) == expected.epsilon(HEADLINE, 6) > 0.0


def test_equal_examples_stay_as_many_as_they_are() -> None:
    found = trajectory_of([kept(followed([5, 5, 6], 1, 1)), kept(followed([6, 5], 1, 2))])
    assert found is not None and found.held == 3


@pytest.mark.parametrize("rounds", [[], [[1, 2]], [[1, 2, 3], [4, 5, 6]], [[1, 2, 3], []]])
def test_too_few_for_any_estimate(rounds: list[list[int]]) -> None:
    assert trajectory_of([kept(followed(names, 2, 1)) for names in rounds]) is None


def _figures(rounds: Sequence[FollowedRound]) -> OwnFigures:
    found = own_figures(rounds)
    assert found is not None
    return found


def test_all_columns_come_from_the_same_steps_and_the_classical_one_counts_them_too() -> None:
    rounds = _rounds(20)
    found, trajectory = _figures(rounds), trajectory_of(rounds)
    assert trajectory is not None
    assert found.bayesian == tuple(trajectory.figure(column, 6) for column in (HEADLINE, BERNSTEIN, RIGHT))
    classical = PrivacyLoss().epsilon({SampledGaussian(100_000, 5.0): 12}, 6)
    assert found.classical == PrivacyFigure(millionths(classical), 6, "PLD/1")
    assert (found.rounds, found.steps, found.held_out) == (3, 12, 20)
    assert found.bayesian[0].definition == Definition.WEAK


@pytest.mark.parametrize(("held", "leads"), [(FEW - 1, "differential privacy"), (FEW, "weak Bayesian")])
def test_with_few_held_out_the_classical_figure_leads(held: int, leads: str) -> None:
    found = _figures(_rounds(held, steps=1))
    lines = list(found.lines())
    assert "for your eyes only" in lines[0] and f": {leads}" in lines[1]
    assert all("epsilon" in line and "delta" in line for line in lines[1:5])
    assert ("indicative" in " ".join(lines)) == found.indicative == found.report()["indicative"] == (held < FEW)
    assert found.report()["meets_target"] == (held >= FEW)


def test_a_target_that_is_not_met_is_said_and_nothing_more() -> None:
    tight = [replace(one, terms=replace(one.terms, target_micro=1)) for one in _rounds(FEW, steps=1)]
    found = _figures(tight)
    assert not found.meets_target and "it is not met; nothing that was sent depends on it" in " ".join(found.lines())
    assert "it is met" in " ".join(_figures(_rounds(FEW, steps=1)).lines())
    assert "nobody knows" in " ".join(_figures(_rounds(FEW - 1, steps=1)).lines())


def test_what_the_choice_of_the_noise_costs_is_said_and_its_estimates_may_none_of_them_fail() -> None:
    rounds = _rounds(FEW, steps=1)
    chosen = _figures([replace(one, terms=replace(one.terms, selection_micro=MICRO // 4, rungs=16)) for one in rounds])
    assert "choosing its noise cost epsilon 0.25 besides" in list(chosen.lines())[-1]
    assert chosen.report()["selection_epsilon"] == 0.25
    before, after = (one.bayesian[0].epsilon_micro for one in (_figures(rounds), chosen))
    assert before < after < 1.05 * before


def test_a_round_that_held_nobody_out_leaves_the_classical_figure_alone() -> None:
    found = _figures([*_rounds(FEW), kept(followed([], 2, 1))])
    assert (found.bayesian, found.held_out, found.steps) == ((), 0, 14)
    assert "too few for a Bayesian figure" in list(found.lines())[-1]
    assert len(found.report()["figures"]) == 1
    assert own_figures([]) is None


def test_no_length_is_in_the_report() -> None:
    """A length of 12,345 parts, and whatever is near it."""
    lengths: npt.NDArray[np.uint16] = np.full((1, 600), 12_345, dtype=np.uint16)
    found = _figures([kept(Followed(np.arange(600, dtype=np.uint64), lengths))])
    assert "12345" not in str(found.report()) and "0.188" not in str(found.report())
