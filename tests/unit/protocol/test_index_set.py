"""Coordinates take turns: each has one turn in every cycle, and nobody but the task's digest decides the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.canonical import encode
from protocol.identifiers import sha256
from protocol.messages.learning import MICRO, Layer, LearningTerms, ModelSpec
from protocol.model.layout import always_sent
from protocol.model.specification import dimension_of
from protocol.round.planning import choose_index_set, sent_parameters
from protocol.sparse.index_set import IndexSet, select, sent_count
from tests.samples import sample_spec, with_terms

LEARNING = sample_spec().learning
TASK = sha256(b"a task")
PLAIN = ModelSpec((6,), 3, (Layer("linear", {"outputs": 3, "bias": 1}),))  # of one layer: nothing is always sent
DEEP = ModelSpec(
    (60,),
    2,
    (Layer("linear", {"outputs": 20, "bias": 1}), Layer("relu", {}), Layer("linear", {"outputs": 2, "bias": 1})),
)  # the biases and the last layer are under a tenth
MODELS = st.sampled_from([PLAIN, DEEP])
DENSITIES = st.integers(1, MICRO)


def _with(density_ppm: int) -> LearningTerms:
    return with_terms(LEARNING, density_ppm=density_ppm)


def _turns(model: ModelSpec, density_ppm: int, rounds: range, task: bytes = TASK) -> list[IndexSet]:
    return [select(task, model, _with(density_ppm), number) for number in rounds]


def test_the_two_models_are_of_both_kinds() -> None:
    assert len(always_sent(PLAIN)) == 0
    assert 0 < len(always_sent(DEEP)) < dimension_of(DEEP) / 10


@settings(deadline=None)
@given(model=MODELS, density=DENSITIES, number=st.integers(1, 2**40), task=st.binary(min_size=32, max_size=32))
@example(model=DEEP, density=1, number=1, task=TASK)
@example(model=PLAIN, density=1, number=2**63 - 1, task=TASK)
def test_every_index_set_has_the_size_of_the_density_and_what_is_always_sent(
    model: ModelSpec, density: int, number: int, task: bytes
) -> None:
    sent, dimension, always = select(task, model, _with(density), number), dimension_of(model), always_sent(model)
    assert len(sent.indices) == sent_count(model, density)
    assert len(sent.indices) == max(-(-dimension * density // MICRO), min(len(always) + 1, dimension))
    assert sent.indices.dtype == np.uint32
    assert (np.diff(sent.indices.astype(np.int64)) > 0).all()
    assert sent.indices[-1] < dimension == sent.dimension
    assert set(always.tolist()) <= set(sent.indices.tolist())
    assert set(sent.indices[~sent.turns].tolist()) == set(always.tolist())
    assert sent.turns.any(), "at least one coordinate has its turn"
    assert sent.share == len(sent.indices) / dimension


@settings(max_examples=30, deadline=None)
@given(model=MODELS, density=st.integers(MICRO // 40, MICRO), first=st.integers(1, 1_000))
def test_every_coordinate_has_its_turn_equally_often(model: ModelSpec, density: int, first: int) -> None:
    """Over as many rounds as there are coordinates that take turns: as many turns as a round has places, wherever it
    begins. Over any other number of rounds the counts differ by one at most."""
    others = np.setdiff1d(np.arange(dimension_of(model)), always_sent(model))
    rounds = range(first, first + min(len(others), 150))
    counts, taken = np.zeros(dimension_of(model), dtype=np.int64), 0
    for sent in _turns(model, density, rounds):
        counts[sent.indices[sent.turns]] += 1
        taken += int(sent.turns.sum())
        seen = counts[others]
        assert seen.max() - seen.min() <= 1
        assert seen.sum() == taken
    if len(rounds) == len(others):
        assert (counts[others] == taken // len(others)).all()


@pytest.mark.parametrize("density", [250_000, 100_000, 500_000])
def test_each_full_cycle_sends_everything_once_and_the_round_that_wraps_goes_on_from_the_start(density: int) -> None:
    others = np.setdiff1d(np.arange(dimension_of(DEEP)), always_sent(DEEP))
    count = sent_count(DEEP, density) - len(always_sent(DEEP))
    cycle = -(-len(others) // count)
    assert len(others) % count, "the last round of the cycle wraps around"
    places = [sent.indices[sent.turns].tolist() for sent in _turns(DEEP, density, range(1, cycle + 1))]
    together = [place for round_places in places[:-1] for place in round_places]
    assert len(set(together)) == len(together), "none twice before each was sent once"
    assert set(together) | set(places[-1]) == set(others.tolist())
    assert set(places[-1]) & set(together) <= set(places[0]), "and then those of the start"


def test_the_order_is_the_tasks_and_stays_with_it() -> None:
    """The same digest gives the same sets, another one others; round n + cycle is round n where the sizes divide."""
    once, again, other = (
        [sent.indices.tolist() for sent in _turns(PLAIN, MICRO // 3, range(1, 7), task)]
        for task in (TASK, TASK, sha256(b"another task"))
    )
    assert once == again != other
    assert once[:3] == once[3:]
    assert sorted(place for indices in once[:3] for place in indices) == list(range(21))


def test_the_order_is_shuffled() -> None:
    """Neighbours in the model do not go together, and no order of two digests is alike."""
    (first,), (second,) = (_turns(DEEP, 100_000, range(1, 2), sha256(name)) for name in (b"1", b"2"))
    for sent in (first, second):
        places = sent.indices[sent.turns].astype(np.int64)
        assert places[-1] - places[0] > dimension_of(DEEP) / 2
        assert (np.diff(places) > 1).mean() > 0.5
    assert not np.array_equal(first.indices, second.indices)


@pytest.mark.parametrize("model", [PLAIN, DEEP])
def test_a_density_of_one_sends_everything_in_every_round(model: ModelSpec) -> None:
    for sent in _turns(model, MICRO, range(1, 5)):
        assert sent.indices.tolist() == list(range(dimension_of(model)))
        assert sent.share == 1.0


def test_a_task_sends_by_the_digest_of_its_spec() -> None:
    spec = sample_spec()
    sent = choose_index_set(spec, 2)
    assert sent.indices.tolist() == select(sha256(encode(spec)), spec.model, spec.learning, 2).indices.tolist()
    assert len(sent.indices) == sent_parameters(spec)
    renamed = [choose_index_set(sample_spec(title=title), 2).indices.tolist() for title in ("one", "two", "three")]
    assert len({tuple(indices) for indices in renamed}) == 3
