"""Who sends what in ``hearth evaluate poisoning``: steps like a phone's, and each attack is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from client_agent.privacy.clipping import units_of_clip
from client_agent.training.gradients import Gradients
from protocol.messages.learning import Layer, ModelSpec
from scripts.evaluate.poisoned.attackers import ATTACKS, BOOST, PERIOD, RIDERS, Known
from scripts.evaluate.poisoned.clients import ALPHA, LESSONS, SOURCE, TARGET, Images, dealt, images
from scripts.evaluate.poisoned.run import quality
from scripts.evaluate.poisoned.softmax import CLASSES, Dealt, Reals, Step, answers, updates, whole


@pytest.fixture(scope="module")
def digits() -> Images:
    return images("digits")


def known(longest: float = 2.0) -> Known:
    rng = np.random.default_rng(1)
    directions = rng.normal(0, 1, (3, 40))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    own, honest, last = rng.normal(0, 1, (3, 40)), rng.normal(1, 1, (5, 40)), rng.normal(0, 1, 40)
    return Known(1, own, honest, longest, last, directions, np.random.default_rng(2))


def test_a_step_is_the_mean_of_the_product_s_own_clipped_gradients(digits: Images) -> None:
    """Whose first layer takes pixels without a bias: the column of ones is the bias."""
    pixels = digits.pixels[:40]
    model = ModelSpec((1, 1, 65), 10, (Layer("flatten", {}), Layer("linear", {"outputs": 10, "bias": 0})))
    weights = np.random.default_rng(3).normal(0, 0.1, (CLASSES, 65)).astype(np.float32).astype(np.float64)
    labels = digits.labels[:40]
    for clip in (0.5, 8.0):
        step = Step(batch=20, clip=clip, rate=1.5, noise=0.0)
        found = updates(weights, pixels, np.arange(40).reshape(2, 20), labels.reshape(2, 20), step)
        gradients = Gradients(model, pixels.reshape(-1, 1, 1, 65), labels)
        grid = clip / units_of_clip(650)
        for client in (0, 1):
            own = np.arange(20 * client, 20 * client + 20)
            summed = gradients.clipped_sum(weights.reshape(-1), np.arange(650, dtype=np.uint32), own, clip)
            assert (summed.norms > 0.5).any() and (summed.norms < 8).all(), "one clip cuts, the other does not"
            assert found[client] == pytest.approx(-1.5 / 20 * grid * summed.total, abs=1.5 * grid)


def test_no_update_is_longer_than_the_longest(digits: Images) -> None:
    step = Step(batch=30, clip=0.2, rate=3.0, noise=2.0)
    places = np.flatnonzero(digits.labels == 4)[:30][None]
    found = updates(np.zeros((CLASSES, 65)), digits.pixels, places, np.full((1, 30), 4), step)
    assert 0.7 * step.longest < np.linalg.norm(found) <= step.longest * (1 + 1e-6)
    assert step.deviation == pytest.approx(2.0 * 0.2 * 3.0 / 30)


def test_whole_numbers_keep_the_mean() -> None:
    rng = np.random.default_rng(4)
    found = whole(np.full(4000, 0.75), 0.5, rng)
    assert set(found.tolist()) == {1, 2} and found.mean() == pytest.approx(1.5, abs=0.05)


def test_batches_are_each_client_s_own(digits: Images) -> None:
    parts = [np.array([3, 5]), np.array([9])]
    places, labels = Dealt(parts, [np.array([1, 2]), np.array([7])]).batch(200, np.random.default_rng(5))
    assert set(places[0].tolist()) == {3, 5} and set(places[1].tolist()) == {9}
    assert {(int(p), int(y)) for p, y in zip(places[0], labels[0], strict=True)} == {(3, 1), (5, 2)}


@pytest.mark.parametrize("name", list(ATTACKS))
def test_each_attack_keeps_the_shape_and_only_boosting_passes_the_longest(name: str) -> None:
    scene = known(longest=10.0)
    found = ATTACKS[name].change(scene)
    assert found.shape == scene.own.shape
    assert np.isfinite(found).all()
    longest = np.linalg.norm(found, axis=1).max()
    assert (longest > 10.0001) == (name == "boosted")


def test_directions_of_attacks() -> None:
    scene = known()

    def cosines(name: str, other: Reals) -> Reals:
        found = ATTACKS[name].change(scene)
        lengths = np.maximum(np.linalg.norm(found, axis=1), 1e-12) * np.linalg.norm(other, axis=-1)
        cosines: Reals = (found * other).sum(axis=1) / lengths
        return cosines

    mean = scene.honest.mean(axis=0)
    assert cosines("sign flip", scene.own) == pytest.approx(-1)
    assert cosines("omniscient", mean) == pytest.approx(-1)
    assert cosines("boosted", scene.own) == pytest.approx(1)
    assert np.array_equal(ATTACKS["boosted"].change(scene), BOOST * scene.own)
    assert (cosines("split", scene.directions) > 0.5).all() and (cosines("split", scene.own) > 0.5).all()
    assert cosines("rider, copies", scene.last_step) == pytest.approx(1)
    assert np.array_equal(ATTACKS["rider, short copies"].change(scene)[0], scene.last_step)
    assert not ATTACKS["rider, zeros"].change(scene).any() and not ATTACKS["rider, zeros"].noise
    assert not np.array_equal(ATTACKS["own noise"].change(scene), ATTACKS["own noise"].change(scene)), "it is fresh"
    assert np.array_equal(ATTACKS["split"].change(scene), ATTACKS["split"].change(scene)), "it is the same for ever"
    assert set(RIDERS) <= set(ATTACKS)


def test_some_attack_in_every_other_period_alone() -> None:
    active = [ATTACKS["on and off"].active(number) for number in range(1, 3 * PERIOD + 1)]
    assert active == [False] * PERIOD + [True] * PERIOD + [False] * PERIOD
    assert all(ATTACKS["label flip"].active(number) for number in range(1, 40))


def test_lessons_change_what_they_say(digits: Images) -> None:
    own = [np.array([10, 11, 12, 13])]
    assert LESSONS["honest"](digits, own)[1][0].tolist() == digits.labels[10:14].tolist()
    places, labels = LESSONS["flipped"](digits, own)
    assert set(digits.labels[places[0]].tolist()) == {SOURCE} and set(labels[0].tolist()) == {TARGET}
    assert LESSONS["shifted"](digits, own)[1][0].tolist() == [(y + 1) % 10 for y in digits.labels[10:14].tolist()]
    places, labels = LESSONS["triggered"](digits, own)
    assert places[0].tolist() == [10, 11, 12 + len(digits.labels), 13 + len(digits.labels)]
    assert labels[0].tolist() == [*digits.labels[10:12].tolist(), TARGET, TARGET]
    changed = digits.pixels[len(digits.labels) + 12] != digits.pixels[12]
    assert set(np.flatnonzero(changed).tolist()) <= {54, 55, 62, 63}, "a corner of two by two, and no bias"
    assert (digits.triggered[:, [54, 55, 62, 63]] == 1).all()


def test_parts_are_of_one_class_alike_or_uneven(digits: Images) -> None:
    rng = np.random.default_rng(1)
    classes = dealt(digits, "classes", 10, 3, "flipped", 1).batch(50, rng)[1]
    assert [set(row.tolist()) for row in classes[:10]] == [{one} for one in range(10)]
    assert {int(y) for y in classes[10:].reshape(-1)} == {TARGET}
    kinds = [len(set(row.tolist())) for row in dealt(digits, "alike", 5, 0, "honest", 1).batch(200, rng)[1]]
    uneven = [len(set(row.tolist())) for row in dealt(digits, "uneven", 20, 0, "honest", 1).batch(200, rng)[1]]
    assert min(kinds) == 10 and min(uneven) < 10 and ALPHA < 1
    with pytest.raises(ValueError, match="ten"):
        dealt(digits, "classes", 9, 0, "honest", 1)


def test_quality_counts_answers_flips_and_triggers(digits: Images) -> None:
    always = np.zeros((CLASSES, 65))
    always[TARGET, -1] = 1
    assert quality(digits, always)[0] == pytest.approx((digits.test_labels == TARGET).mean())
    assert quality(digits, always)[1:] == (1.0, 1.0)
    assert set(answers(always, digits.test).tolist()) == {TARGET}
