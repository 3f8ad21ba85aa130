"""Unit ``appliance``: whatever one measured, it moves a sum by at most the clip. And which trainer is of which kind."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.privacy.clipping import clipped
from client_agent.training.appliances import ApplianceSums
from client_agent.training.kinds import Ask, trainer_of
from client_agent.training.plain_sums import plain_sum
from client_agent.training.trainers import trainer_for
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, LearningTerms
from protocol.model.dataset import OWNERS, Examples, decode_labelled, encode_examples
from protocol.privacy.mechanisms import KINDS
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.sparse.grid import step_of, units_of_clip
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import LINEAR, Recorder, everything, gradients_of, point_of
from tests.unit.client_agent.scene_tiny import (
    EVERYTHING,
    POINTS,
    SECRET,
    TERMS,
    TINY,
    Household,
    examples_of,
    households,
    square,
    trained,
)

APPLIANCE = with_terms(TERMS, unit="appliance", unit_examples=3)
SEED = SeededRandomness(b"appliances")


def test_any_tiny_appliance_with_all_its_windows_moves_a_sum_by_at_most_the_clip() -> None:
    """Exhaustive: every household of two appliances, and the same without the one or the other."""
    longest, most = 0, units_of_clip(4) ** 2
    for household, point in product(households(4), POINTS):
        for cut in range(1, len(household)):
            first, second = household[:cut], household[cut:]
            both = _sum(first + second, [0] * len(first) + [1] * len(second), point)
            for alone in (first, second):
                moved = both - _sum(alone, [0] * len(alone), point)
                longest = max(longest, square([int(one) for one in moved]))
    assert 0.998**2 * most < longest <= most


def _sum(household: Household, owners: list[int], point: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    delta = trained(examples_of(household, owners), APPLIANCE, point).delta
    return np.rint(delta / step_of(APPLIANCE, EVERYTHING))


def test_an_appliance_counts_once_however_many_windows_it_has() -> None:
    """The mean of its windows, clipped as one."""
    gradients, point, sent = gradients_of(LINEAR, 7, 1), point_of(LINEAR, 0.01), everything(LINEAR).indices
    owners = np.array([4, 9, 4, 4, 9, 9, 9])
    sums = ApplianceSums(gradients, owners, 10, SEED, "r")
    assert len(sums) == 2
    for unit, owner in enumerate((4, 9)):
        windows = np.flatnonzero(owners == owner)
        mean = plain_sum(gradients, point, sent, windows) / len(windows)
        whole, norms = clipped(mean[:, None], 1.0, units_of_clip(39))
        found = sums.clipped_sum(point, sent, np.array([unit]), 1.0)
        assert np.array_equal(found.total, whole[:, 0])
        assert found.norms.tolist() == norms.tolist()
    everyone = sums.clipped_sum(point, sent, np.arange(2), 1.0)
    assert len(everyone.norms) == 2


def test_a_step_takes_no_more_windows_than_the_task_allows_and_others_every_time() -> None:
    gradients, point, sent = gradients_of(LINEAR, 50, 1), point_of(LINEAR, 0.01), everything(LINEAR).indices
    asked = list[list[int]]()

    class Asked:
        def __len__(self) -> int:
            return 50

        def each(self, point, sent, chosen):  # type: ignore[no-untyped-def]
            asked.append(chosen.tolist())
            return gradients.each(point, sent, chosen)

    sums = ApplianceSums(Asked(), np.zeros(50, dtype=np.int64), 5, SEED, "windows")
    for _ in range(200):
        sums.clipped_sum(point, sent, np.array([0]), 1.0)
    assert all(len(windows) == 5 == len(set(windows)) for windows in asked)
    counts = np.bincount(np.concatenate(asked), minlength=50)
    assert abs(((counts - 20) ** 2 / 20).sum() - 50) < 5 * (2 * 50) ** 0.5


def test_appliances_are_sampled_and_not_their_windows() -> None:
    recorder = Recorder(b"recorder")
    trainer = trainer_for(TINY, examples_of((0, 1, 2, 3), [5, 5, 5, 8]))
    trainer.train(Assignment(POINTS[0], with_terms(APPLIANCE, unit_examples=2), EVERYTHING, recorder, "r"))
    assert recorder.drawn == [("r/sample/0", 16), ("r/windows/0/0", 24)]  # two appliances; two windows of three


def test_owners_are_whole_numbers_that_a_household_has_and_a_test_set_has_not() -> None:
    whole = examples_of((0, 1), [3, 3])
    assert whole.owners is not None
    assert whole.owners.tolist() == [3, 3]
    assert examples_of((0, 1)).owners is None
    for wrong in (np.array([[1], [2]]), np.array([0.5, 1.0])):
        with pytest.raises(MalformedError, match="whole number"):
            _ = Examples({**whole.arrays, OWNERS: wrong}).owners
    with pytest.raises(MalformedError, match="appliance"):
        decode_labelled(encode_examples(whole))
    with pytest.raises(MalformedError, match="no array appliance"):
        trained(examples_of((0, 1)), APPLIANCE, POINTS[0])


KNOWN = [(kind.name, str(unit)) for kind in KINDS.values() for unit in kind.units]


@pytest.mark.parametrize(("kind", "unit"), KNOWN)
def test_every_mechanism_of_the_agreement_has_a_trainer_with_and_without_examples(kind: str, unit: str) -> None:
    learning = with_terms(TERMS, kind=kind, unit=unit, noise_multiplier_micro=2 * MICRO)
    assert len(trained(examples_of((0, 1, 3), [1, 1, 2]), learning, POINTS[1]).delta) == 4
    noise = trainer_for(TINY, examples_of((0,)), secret=SECRET)
    alone = trainer_of(Ask(learning, None, noise._noise))  # type: ignore[attr-defined]
    delta = alone.train(Assignment(POINTS[1], learning, EVERYTHING, SEED, "r")).delta
    assert delta.all() == (kind != "features")


@pytest.mark.parametrize(("kind", "unit"), [("unheard of", "example"), ("client", "appliance")])
def test_any_other_is_refused(kind: str, unit: str) -> None:
    learning: LearningTerms = with_terms(TERMS, kind=kind, unit=unit)
    with pytest.raises(MalformedError, match=kind):
        trained(examples_of((0,)), learning, POINTS[0])
