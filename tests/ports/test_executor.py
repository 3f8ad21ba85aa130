"""One suite over both executors: the same words, the same verdicts, whoever verifies and adds, and whoever dies."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from backend.aggregation.cluster import Cluster
from backend.aggregation.dask_executor import DaskExecutor
from backend.aggregation.executor import IN_PROCESS, Executor
from backend.aggregation.verifier import VerifiedSum
from protocol.content.cid import cid_of
from protocol.encryption.suite import NAMES
from protocol.errors import VerificationError
from protocol.identifiers import Address
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import CORRUPT, MALFORMED, UNAVAILABLE, Rejection, Verdict
from protocol.screening.verdict import decide
from scripts.bench.aggregation_round import AggregationRound, aggregation_round
from scripts.bench.cluster_parts import ClusterParts
from storage.content.filesystem import FilesystemStore
from storage.content.kubo_client import KuboStore
from storage.content.memory import MemoryStore
from tests.ports.gated_store import GatedStore

DIMENSION, CLIENTS = 1000, 24
FATES = ("fit", UNAVAILABLE, CORRUPT, MALFORMED)
KINDS = ("in process", "dask")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterParts]:
    with ClusterParts(tmp_path_factory.mktemp("cluster") / "parts") as parts:
        parts.start_workers("worker-1", "worker-2")
        yield parts


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterParts]:
    """A scheduler without workers, with an authority of its own."""
    with ClusterParts(tmp_path_factory.mktemp("others") / "parts") as others:
        yield others


def _executor(kind: str, parts: ClusterParts, store: str) -> Executor:
    return IN_PROCESS if kind == "in process" else DaskExecutor(parts.cluster(store))


def _warnings(said: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [line for line in said if line["log_level"] != "info"]


def _no_wait(_: float) -> None:
    pass


def _expected(made: AggregationRound, accepted: list[Address]) -> npt.NDArray[np.uint64]:
    """Added one by one, by hand."""
    running = made.scheme.aggregator()
    for number, client in enumerate(made.scheme.weights):
        if client in accepted:
            running.fold(made.body(number), made.scheme.weights[client])
    return running.words


def _meet(made: AggregationRound, store: FilesystemStore, fates: list[str]) -> dict[Address, str]:
    """Each client's ciphertext as its fate is; the rejected with their reasons."""
    for number, (fate, (client, signed)) in enumerate(zip(fates, made.committed.items(), strict=True)):
        path = store.folder / cid_of(made.body(number), made.scheme.block_bytes).text
        if fate == UNAVAILABLE:
            path.unlink()
        elif fate == CORRUPT:
            path.write_bytes(bytes(made.scheme.body_bytes))
        elif fate == MALFORMED:
            digest = store.put(b"%d" % number, made.scheme.block_bytes).digest
            made.committed[client] = replace(signed, commitment=replace(signed.commitment, ciphertext=digest))
    return {client: fate for fate, client in zip(fates, made.committed, strict=True) if fate != "fit"}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=st.lists(st.sampled_from(("fit", *FATES)), min_size=1, max_size=40), suite=st.sampled_from(NAMES))
def test_words_and_verdicts_follow_from_the_content(
    kind: str, parts: ClusterParts, fates: list[str], suite: str
) -> None:
    with TemporaryDirectory() as folder:
        store = FilesystemStore(Path(folder))
        made = aggregation_round(store, len(fates), DIMENSION, suite)
        rejected = _meet(made, store, fates)
        with capture_logs() as said:
            verdict, total = _executor(kind, parts, folder).verify_updates(store, made.scheme, made.committed, _no_wait)
    accepted = [client for client in made.committed if client not in rejected]
    rejections = tuple(Rejection(client, why) for client, why in rejected.items())
    assert verdict == Verdict(made.scheme.label, tuple(accepted), rejections)
    assert total.clients == set(accepted)
    assert np.array_equal(total.words, _expected(made, accepted))
    assert _warnings(said) == []


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_verdict_only_what_it_accepts_is_added(kind: str, parts: ClusterParts, tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    made = aggregation_round(store, CLIENTS, DIMENSION)
    decided = decide(made.scheme.label, dict.fromkeys(list(made.committed)[::2]))
    executor = _executor(kind, parts, str(tmp_path))
    verdict, total = executor.verify_updates(store, made.scheme, made.committed, _no_wait, decided)
    assert verdict == decided
    assert total.clients == set(decided.accepted)
    assert np.array_equal(total.words, _expected(made, list(decided.accepted)))


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_not_planned_is_in_no_sum(kind: str, parts: ClusterParts, tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    made = aggregation_round(store, 3, DIMENSION)
    plan = made.scheme.plan
    assert isinstance(plan, RoundPlan)
    smaller = replace(made.scheme, plan=replace(plan, weights=plan.weights[1:]))
    with pytest.raises(VerificationError):
        _executor(kind, parts, str(tmp_path)).verify_updates(store, smaller, made.committed, _no_wait)


def test_workers_read_everything_and_the_server_nothing(parts: ClusterParts, tmp_path: Path) -> None:
    made = aggregation_round(FilesystemStore(tmp_path), 80, DIMENSION)
    executor = DaskExecutor(parts.cluster(str(tmp_path)))
    verdict, total = executor.verify_updates(MemoryStore(), made.scheme, made.committed, _no_wait)
    assert not verdict.rejected
    assert np.array_equal(total.words, _expected(made, list(made.committed)))


def test_no_client_is_rejected_for_what_a_worker_cannot_read(parts: ClusterParts, tmp_path: Path) -> None:
    store = MemoryStore()
    made = aggregation_round(store, CLIENTS, DIMENSION)
    (tmp_path / "empty").mkdir()
    for folder, why in (("empty", UNAVAILABLE), ("absent", "the store is away")):
        executor = DaskExecutor(parts.cluster(str(tmp_path / folder)))
        with capture_logs() as said:
            verdict, total = executor.verify_updates(store, made.scheme, made.committed, _no_wait)
        assert not verdict.rejected
        assert np.array_equal(total.words, _expected(made, list(made.committed)))
        assert [line["worker_says"] for line in _warnings(said)] == [why] * CLIENTS


@pytest.mark.parametrize("how", ["nobody there", "another authority", "no worker"])
def test_without_its_cluster_a_server_adds_by_itself(
    how: str, parts: ClusterParts, others: ClusterParts, tmp_path: Path
) -> None:
    store = FilesystemStore(tmp_path)
    made = aggregation_round(store, CLIENTS, DIMENSION)
    cluster = {
        "nobody there": Cluster("tls://127.0.0.1:9", parts.tls("edge"), str(tmp_path)),
        "another authority": Cluster(parts.address, others.tls("edge"), str(tmp_path)),
        "no worker": others.cluster(str(tmp_path)),
    }[how]
    executor = DaskExecutor(cluster, stall_seconds=0.1, connect_seconds=0.5)
    with capture_logs() as said:
        verdict, total = executor.verify_updates(store, made.scheme, made.committed, _no_wait)
    assert not verdict.rejected
    assert np.array_equal(total.words, _expected(made, list(made.committed)))
    assert [line["event"] for line in _warnings(said)] == ["the cluster is of no use for this sum"]


class StoppingError(Exception):
    """The server's own, as its driver raises it."""


def test_a_server_that_stops_waits_for_no_worker(parts: ClusterParts) -> None:
    with GatedStore() as gate:
        made = aggregation_round(KuboStore(gate.url), CLIENTS, DIMENSION)
        gate.arm(1)

        def pause(_: float) -> None:
            if gate.holds:
                raise StoppingError

        with pytest.raises(StoppingError):
            DaskExecutor(parts.cluster(gate.url)).verify_updates(MemoryStore(), made.scheme, made.committed, pause)
        gate.release()


def _ports(process: int) -> set[int]:
    """Local ones of a process's connections over IPv4."""
    sockets = {os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir()}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[1].partition(":")[2], 16) for line in lines if f"socket:[{line[9]}]" in sockets}


def _sum_while(
    executor: DaskExecutor, made: AggregationRound, gate: GatedStore, act: list[str], parts: ClusterParts
) -> tuple[Verdict, VerifiedSum]:
    """The sum, while the worker that asks the gate dies; its name is added to ``act``."""

    def kill_the_asker() -> None:
        _, port = gate.wait()
        (name,) = [name for name, process in parts.workers.items() if port in _ports(process.pid)]
        parts.kill(name)
        act.append(name)
        gate.release()

    killer = threading.Thread(target=kill_the_asker)
    killer.start()
    try:
        # the server's own store is empty: what workers do not add is lost
        return executor.verify_updates(MemoryStore(), made.scheme, made.committed, _no_wait)
    finally:
        killer.join()


def test_a_worker_killed_in_the_middle_costs_nothing(parts: ClusterParts) -> None:
    killed: list[str] = []
    with GatedStore() as gate:
        made = aggregation_round(KuboStore(gate.url), CLIENTS, DIMENSION)
        gate.arm(CLIENTS // 2)
        with capture_logs() as said:
            verdict, total = _sum_while(DaskExecutor(parts.cluster(gate.url)), made, gate, killed, parts)
    assert len(killed) == 1
    assert not verdict.rejected
    assert np.array_equal(total.words, _expected(made, list(made.committed)))
    assert _warnings(said) == []


def test_workers_come_back_with_their_scheduler(parts: ClusterParts, tmp_path: Path) -> None:
    parts.kill_scheduler()
    made = aggregation_round(FilesystemStore(tmp_path), CLIENTS, DIMENSION)
    executor = DaskExecutor(parts.cluster(str(tmp_path)))
    verdict, _ = executor.verify_updates(MemoryStore(), made.scheme, made.committed, _no_wait)
    assert not verdict.rejected


def test_parts_end_when_they_are_told_to(parts: ClusterParts) -> None:
    for process in (*parts.workers.values(), parts.scheduler):
        assert process is not None
        process.terminate()
        assert process.wait(60) == 0
