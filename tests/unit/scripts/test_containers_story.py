"""What the check of containers kills and reports, on a task that is played: no container runs here."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from scripts.checks.compose import Compose, Killed
from scripts.checks.containers_story import CLUSTER, Storm, tell_story
from scripts.checks.podman import ContainerError


class Played:
    """Every wait for a round is a round. ``driver`` drives the task, and the other process as soon as it is killed."""

    def __init__(self, rounds: int, driver: str = "edge-1", by_workers: bool = True) -> None:
        self.rounds, self.round, self.acts, self.by_workers = rounds, 0, 0, by_workers
        self.drives = {"edge-1": 0.0, "edge-2": 0.0} | {driver: 1.0}
        self.did: list[str] = []
        self.pauses: list[float] = []
        self.down: set[str] = set()
        self.summed: list[int] = []
        self.cluster = False

    def make_secrets(self, *of: str) -> None:
        self.did.append(" ".join(("secrets", *of)))

    def up(self) -> None:
        self.did.append("up")

    def lay_over(self, files: Sequence[str], services: Sequence[str]) -> None:
        assert files[-1] == "compose.dask.yaml"
        self.did.append(f"up {' '.join(services)}")
        self.cluster = True

    def await_published(self, round_number: int) -> None:
        while self.round < round_number:
            self._play()

    def await_moves(self, count: int) -> None:
        while self.acts < count:
            self._play()

    def await_true(self, is_so: Callable[[], bool], what: str) -> None:
        while not is_so():
            if self.round == self.rounds:
                raise ContainerError(f"no {what}")
            self._play()

    def published(self) -> int:
        return self.round

    def moves(self) -> int:
        return self.acts

    def rounds_left(self) -> int:
        return self.rounds - self.round

    def drives_since(self) -> dict[str, float]:
        return dict(self.drives)

    def summed_by_workers(self) -> list[int]:
        return self.summed

    def kill(self, service: str) -> Killed:
        if service in self.down:
            raise ContainerError(f"{service} does not run")
        self.did.append(f"kill {service}")
        if self.drives.get(service, 0) == max(self.drives.values()):
            other = {"edge-1": "edge-2", "edge-2": "edge-1"}[service]
            self.drives[other] = self.drives[service] + 6
        return Killed(service, service, 1)

    def await_well(self, killed: Killed) -> None:
        self.did.append(f"well {killed.service}")

    def await_exit(self, service: str) -> tuple[int, str]:
        self.did.append(f"end {service}")
        return 1, "FAIL"

    def doors(self) -> list[str]:
        return []

    def _play(self) -> None:
        self.round, self.acts = self.round + 1, self.acts + 4
        if self.cluster and self.by_workers:
            self.summed = [*self.summed, self.round]


def told(played: Played, *kills: str, storm: int = 0, seed: int = 0, cluster: bool = True) -> dict[str, Any]:
    result: dict[str, Any] = {}
    at_random = Storm(storm, random.Random(seed), pause=played.pauses.append)
    tell_story(cast(Compose, played), ["compose.yaml"], kills, at_random, result, cluster=cluster)
    return result


def test_each_is_killed_and_the_cluster_takes_over_in_the_same_task() -> None:
    played = Played(20)
    result = told(played, "store", "chain")
    assert played.did == [
        "secrets", "up", "kill store", "kill chain", "well store", "well chain",
        "secrets cluster", f"up edge-1 edge-2 {' '.join(CLUSTER)}",
        *(f"{what} {part}" for part in CLUSTER for what in ("kill", "well")), "end auditor",
    ]  # fmt: skip
    assert result["audit"] == 1, "what the auditor said"


def test_a_killed_process_that_drove_the_task_is_timed_until_another_drives_it() -> None:
    killed = told(Played(20, driver="edge-2"), "edge-1", "edge-2", cluster=False)["killed"]
    assert "drives_again" not in killed["edge-1"]
    assert killed["edge-2"].keys() >= {"drives_again", "in_time"}


def test_nobody_is_killed_in_a_task_that_is_as_good_as_over() -> None:
    played = Played(3)
    with pytest.raises(ContainerError, match="give the task more --rounds"):
        told(played, "store", "chain", "broker", cluster=False)
    assert "kill broker" not in played.did


def test_a_storm_kills_who_runs_at_instants_that_its_seed_draws_and_waits_for_all() -> None:
    first, again, other = (Played(20) for _ in range(3))
    storms = []
    for played, seed in ((first, 1), (again, 1), (other, 2)):
        played.down = {"broker", "chain"}
        storms.append(told(played, storm=30, seed=seed, cluster=False)["storm"])
    hit = [[service for _, service in storm] for storm in storms]
    assert hit[0] == hit[1] != hit[2]
    assert first.pauses == again.pauses != other.pauses
    assert 0 <= min(first.pauses) < max(first.pauses) <= Storm.MOST_SECONDS
    assert len(hit[0]) == 30
    assert not {"broker", "chain"} & set(hit[0]), "they do not run"
    assert {f"well {service}" for service in hit[0]} <= set(first.did)


def test_a_storm_that_outlasts_the_task_shows_nothing() -> None:
    with pytest.raises(ContainerError, match="give the task more --rounds"):
        told(Played(9), storm=1)


def test_sums_that_no_worker_made_end_the_check() -> None:
    with pytest.raises(ContainerError, match="no sum by workers"):
        told(Played(20, by_workers=False))
