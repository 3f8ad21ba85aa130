"""What a worker does follows from its task alone; what it answers is held against its digest and the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.aggregation.cluster import Cluster
from backend.aggregation.dask_executor import GROUP, DaskExecutor, _checked, _entries, _tasks
from backend.aggregation.executor import ExecutorError
from backend.aggregation.group_sum import UNREACHED, Doubt, GroupSum, GroupTask, fold_group, merge_groups
from backend.aggregation.verifier import fold, verify_updates
from protocol.errors import HearthError, VerificationError
from protocol.messages.settlement import UNAVAILABLE
from scripts.bench.aggregation_round import AggregationRound, aggregation_round
from storage.content.filesystem import FilesystemStore
from storage.content.memory import MemoryStore

CLIENTS, DIMENSION = 9, 50


def _no_wait(_: float) -> None:
    pass


def _round(folder: Path) -> tuple[AggregationRound, list[GroupTask]]:
    made = aggregation_round(FilesystemStore(folder), CLIENTS, DIMENSION)
    return made, _tasks(made.scheme, _entries(made.scheme, made.committed), str(folder))


@pytest.fixture
def whole(tmp_path: Path) -> tuple[AggregationRound, list[GroupTask], GroupSum]:
    made, tasks = _round(tmp_path)
    return made, tasks, merge_groups([fold_group(task) for task in tasks])


def test_a_task_done_again_gives_the_same(tmp_path: Path) -> None:
    _, tasks = _round(tmp_path)
    assert [fold_group(task).digest for task in tasks] == [fold_group(task).digest for task in tasks]


def test_groups_merge_to_the_sum_of_one_process(whole: tuple[AggregationRound, list[GroupTask], GroupSum]) -> None:
    made, tasks, total = whole
    assert len(tasks) > 1
    running = made.scheme.aggregator()
    for number, client in enumerate(made.scheme.weights):
        running.fold(made.body(number), made.scheme.weights[client])
    assert np.array_equal(total.partial.words, running.words)
    assert total.clients == tuple(made.committed)


def test_a_store_that_is_away_is_asked_once_for_a_group(tmp_path: Path) -> None:
    _, tasks = _round(tmp_path / "store")
    found = fold_group(replace(tasks[0], store=str(tmp_path / "absent")))
    assert found.doubts == tuple(Doubt(entry.client, UNREACHED) for entry in tasks[0].entries)
    assert not found.partial.words.any()


def test_a_missing_ciphertext_is_a_doubt_and_no_other_is_touched(tmp_path: Path) -> None:
    made, tasks = _round(tmp_path)
    gone = tasks[0].entries[1]
    (path,) = [path for path in tmp_path.iterdir() if path.read_bytes() == made.body(1)]
    path.unlink()
    found = fold_group(tasks[0])
    assert found.doubts == (Doubt(gone.client, UNAVAILABLE),)
    assert found.clients == tuple(entry.client for entry in tasks[0].entries if entry != gone)


def _with_words(part: GroupSum) -> GroupSum:
    words = part.partial.words.copy()
    words[3] ^= np.uint64(1)
    return replace(part, partial=replace(part.partial, words=words))


@pytest.mark.parametrize(
    "change",
    [
        _with_words,
        lambda part: replace(part, clients=part.clients[::-1]),
        lambda part: replace(part, clients=part.clients[1:]),
        lambda part: replace(part, partial=replace(part.partial, weights=part.partial.weights[::-1])),
    ],
)
def test_a_sum_changed_on_its_way_is_merged_by_nobody(
    change: object, whole: tuple[AggregationRound, list[GroupTask], GroupSum]
) -> None:
    made, tasks, total = whole
    assert callable(change)
    changed = change(total)
    with pytest.raises(VerificationError):
        merge_groups([changed])
    with pytest.raises(VerificationError):
        fold(made.scheme, (), changed)
    with pytest.raises(VerificationError):
        _checked(changed, tasks)


def test_who_was_not_asked_for_is_taken_from_no_worker(
    whole: tuple[AggregationRound, list[GroupTask], GroupSum],
) -> None:
    made, tasks, total = whole
    with pytest.raises(ExecutorError):
        _checked(total, tasks[1:])
    fewer = dict(list(made.committed.items())[1:])
    with pytest.raises(VerificationError):
        verify_updates(MemoryStore(), made.scheme, fewer, _no_wait, begun=total)


def test_nobody_is_taken_twice_or_under_another_weight(
    whole: tuple[AggregationRound, list[GroupTask], GroupSum],
) -> None:
    made, tasks, total = whole
    heavier = GroupSum.of(total.suite, total.clients, replace(total.partial, weights=(5,) * CLIENTS), ())
    for wrong in (merge_groups([total, total]), heavier):
        with pytest.raises(ExecutorError):
            _checked(wrong, tasks)
        with pytest.raises(VerificationError):
            fold(made.scheme, (), wrong)
    with pytest.raises(ExecutorError):
        _checked({"clients": total.clients}, tasks)


def test_a_sum_of_another_round_fits_none(tmp_path: Path) -> None:
    made, _ = _round(tmp_path)
    other = aggregation_round(FilesystemStore(tmp_path), CLIENTS, DIMENSION + 2)
    tasks = _tasks(other.scheme, _entries(other.scheme, other.committed), str(tmp_path))
    with pytest.raises(HearthError, match="E_PARAMS"):
        fold(made.scheme, (), merge_groups([fold_group(task) for task in tasks]))


@given(st.integers(1, 3000))
def test_every_client_is_in_one_group_of_few(clients: int) -> None:
    made = aggregation_round(MemoryStore(), 1, 1)
    entry = _entries(made.scheme, made.committed)[0]
    tasks = _tasks(made.scheme, [replace(entry, weight=number) for number in range(clients)], "store")
    assert [entry.weight for task in tasks for entry in task.entries] == list(range(clients))
    assert all(len(task.entries) <= GROUP for task in tasks)


def test_an_empty_round_asks_no_cluster() -> None:
    made = aggregation_round(MemoryStore(), 1, 1)
    nowhere = DaskExecutor(Cluster("tls://127.0.0.1:9", None, "store"))
    verdict, total = nowhere.verify_updates(MemoryStore(), made.scheme, {}, _no_wait)
    assert (verdict.accepted, total.clients) == ((), frozenset())
