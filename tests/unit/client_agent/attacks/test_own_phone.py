"""What a phone measures of its own updates, and what it says it cannot measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from client_agent.attacks.own_phone import (
    LEAST_REHEARSALS,
    MOST_REHEARSALS,
    Attack,
    Attacked,
    Lack,
    Observer,
    attack_phone,
)
from client_agent.privacy.held_out import Coins
from protocol.content.cid import Cid
from protocol.messages.chain import RoundPublished
from protocol.messages.learning import MICRO, BayesianTerms
from protocol.model.dataset import Examples
from protocol.model.layout import Layout
from protocol.randomness import SeededRandomness
from protocol.task.fold import fold
from storage.content.interface import get_document
from tests.samples import with_terms
from tests.unit.client_agent.scene_server import ROUNDS, PlayedServer

GENERATOR = np.random.default_rng(3)
EXAMPLES = Examples(
    {"inputs": GENERATOR.normal(0, 2, (48, 6)).astype(np.float32), "labels": GENERATOR.integers(0, 3, 48)}
)
HALF = MICRO // 2


@pytest.fixture(scope="module")
def server() -> PlayedServer:
    played = PlayedServer()
    played.parameters = GENERATOR.normal(0, 1, len(played.parameters)).astype(np.float32)
    for _ in range(ROUNDS):
        played.open()
        played.commit_batch()
        played.publish()
    return played


def phone(server: PlayedServer, **changes: Any) -> Attacked:
    state = fold(1, server.chain.events())
    coins = Coins(lambda: b"coin" * 8)
    return replace(
        Attacked(state, server.spec, server.store, range(1, ROUNDS + 1), None, EXAMPLES, coins.held_out), **changes
    )


def attacks(attacked: Attacked, monotonic: Callable[[], float] = lambda: 0.0) -> dict[Observer, Attack]:
    return {one.observer: one for one in attack_phone(attacked, SeededRandomness(b"attack"), monotonic)}


def held_out(attacked: Attacked, rate_ppm: int) -> Attacked:
    noise = attacked.spec.learning.mechanism.noise_multiplier_micro
    terms = BayesianTerms(MICRO, 5, rate_ppm, (noise,))
    return replace(attacked, spec=replace(attacked.spec, learning=replace(attacked.spec.learning, bayesian=terms)))


def test_each_attack_says_what_it_reached_and_what_it_may(server: PlayedServer) -> None:
    found = attacks(held_out(phone(server), HALF))
    world, opened, model = (found[one] for one in (Observer.WORLD, Observer.OPENED, Observer.MODEL))
    assert world.share is not None and world.most == 0.5 and world.within
    assert opened.share is not None and opened.most is not None and opened.share.low > 0.5
    assert opened.within and opened.figure is not None and opened.figure.epsilon_micro > 0
    assert (opened.rounds, opened.rehearsals) == (ROUNDS, MOST_REHEARSALS)
    assert model.share is not None and model.figure is not None and model.examples == 48 and model.within


def test_no_held_out_example_no_figure_of_the_public_model(server: PlayedServer) -> None:
    model = attacks(phone(server))[Observer.MODEL]
    assert (model.share, model.lack, model.within) == (None, Lack.NONE_HELD_OUT, None)
    assert attacks(held_out(phone(server), 20_000))[Observer.MODEL].lack is Lack.FEW


def test_a_model_that_knows_its_examples_by_heart_is_found_out(server: PlayedServer) -> None:
    """Labels of what was trained on are what the model says, of what was held out what it says is least likely."""
    attacked = held_out(phone(server), HALF)
    state, layout = attacked.state, Layout.published(attacked.spec)
    held = attacked.held_out(EXAMPLES, HALF)
    ended = [one.ended for one in state.rounds if isinstance(one.ended, RoundPublished)][-1]
    weights = layout.tensors(layout.from_safetensors(get_document(server.store, ended.model, layout.max_bytes)))
    scores = EXAMPLES.arrays["inputs"] @ next(one for one in weights.values() if one.ndim == 2).T
    labels = np.where(held, scores.argmin(axis=1), scores.argmax(axis=1))
    known = Examples({"inputs": EXAMPLES.arrays["inputs"], "labels": labels})
    model = attacks(replace(attacked, examples=known, held_out=lambda *_: held))[Observer.MODEL]
    assert model.share is not None and model.share.right > 0.9


def test_what_cannot_be_rehearsed_is_said(server: PlayedServer) -> None:
    attacked = phone(server)
    by_appliance = replace(attacked.spec, learning=with_terms(attacked.spec.learning, unit="appliance"))
    few = EXAMPLES.take(np.arange(19))
    for changed, lack in (
        (replace(attacked, sealed=()), Lack.NO_ROUND),
        (replace(attacked, examples=few), Lack.FEW),
        (replace(attacked, spec=by_appliance), Lack.MECHANISM),
    ):
        found = attacks(changed)
        assert {found[Observer.WORLD].lack, found[Observer.OPENED].lack} == {lack}


def test_rounds_that_cannot_be_had_are_left_out() -> None:
    played = PlayedServer()
    for _ in range(2):
        played.open()
        played.commit_batch()
        played.publish()
    for codec in ("raw", "dag-pb"):
        played.store.objects.pop(Cid(codec, played.plans[1].model).text, None)
    assert attacks(phone(played, sealed=(1, 2)))[Observer.OPENED].rounds == 1


def test_it_ends_in_time(server: PlayedServer) -> None:
    ticks = iter(range(0, 10_000, 60))
    assert attacks(phone(server), lambda: float(next(ticks)))[Observer.OPENED].rehearsals == LEAST_REHEARSALS


def test_without_a_guarantee_nothing_is_promised(server: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client_agent.attacks.own_phone.has_guarantee", lambda _: False)
    opened = attacks(phone(server))[Observer.OPENED]
    assert (opened.most, opened.figure, opened.within) == (None, None, None) and opened.share is not None
