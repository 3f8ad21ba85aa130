"""A task in containers: each role is killed once; then any, at any time; then a cluster adds for the edge server, and
its parts are killed."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scripts.checks.compose import Compose, Killed
from scripts.checks.podman import ContainerError

FIRST_ROUND_SECONDS: Final = 90
GOES_ON_SECONDS: Final = 10
# in this order, one after the other
KILLED: Final = (
    "authority-1", "edge-1", "phone-1", "store", "database", "edge-2", "household-1", "broker", "phone-2", "chain",
)  # fmt: skip
CLUSTER: Final = ("cluster-scheduler", "cluster-worker")
ROUNDS_OF_CLUSTER: Final = 8  # the fewest that are left for it


@dataclass(frozen=True, slots=True)
class Storm:
    """So many kills, each of a service that ``rng`` picks and after a pause that it draws, whether or not what was
    killed before runs again."""

    kills: int
    rng: random.Random
    pause: Callable[[float], None] = time.sleep

    SERVICES = (*KILLED, "authority-2", "authority-3", "authority-4", "authority-5")
    MOST_SECONDS = 4.0  # about a round


def tell_story(
    compose: Compose, files: Sequence[str], kills: Sequence[str], storm: Storm, told: dict[str, Any], *, cluster: bool
) -> None:
    """Fills ``told``. A figure in seconds that is above its target is said and is no failure: other work may slow the
    machine. Raises ContainerError."""
    compose.make_secrets()
    started = time.monotonic()
    compose.up()
    told["seconds_until_posted"] = _since(started)
    compose.await_published(1)
    told["seconds_until_first_round"] = seconds = _since(started)
    told["first_round_in_time"] = seconds <= FIRST_ROUND_SECONDS
    say(f"the first round is published after {seconds} s")
    told["doors"] = compose.doors()
    told["killed"] = {}
    at_least = 1 + cluster * ROUNDS_OF_CLUSTER
    killed = [_kill(compose, service, told["killed"], at_least) for service in kills]
    for one in killed:
        compose.await_well(one)
    told["storm"] = _kill_at_random(compose, storm, at_least)
    if cluster:
        _with_cluster(compose, files, told)
    told["audit"], said = compose.await_exit("auditor")
    told["seconds"] = _since(started)
    say(said)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _kill(compose: Compose, service: str, told: dict[str, Any], at_least: int) -> Killed:
    """Returns when one more round is published. ``told`` gets the seconds until a server did something for the task on
    chain again, and until that round; for a process that drove the task also the seconds until one drives it again."""
    if (left := compose.rounds_left()) < at_least:
        raise ContainerError(f"{left} rounds are too few to kill {service} in: give the task more --rounds")
    drove = compose.drives_since()
    published, moves = compose.published(), compose.moves()
    say(f"kills {service} after round {published}")
    started = time.monotonic()
    killed = compose.kill(service)
    told[service] = seconds = {}
    if service in drove and drove[service] == max(drove.values()):
        compose.await_true(lambda: max(compose.drives_since().values()) > drove[service], "other process that drives")
        seconds["drives_again"] = _since(started)
        seconds["in_time"] = seconds["drives_again"] <= GOES_ON_SECONDS
    compose.await_moves(moves + 1)
    seconds["goes_on"] = _since(started)
    compose.await_published(published + 1)
    seconds["next_round"] = _since(started)
    return killed


def _kill_at_random(compose: Compose, storm: Storm, at_least: int) -> list[tuple[float, str]]:
    """Returns when all that was killed runs again: seconds of each kill, and whom it hit."""
    started = time.monotonic()
    told, last = [], {}
    for _ in range(storm.kills):
        storm.pause(storm.rng.uniform(0, storm.MOST_SECONDS))
        one = _first_that_runs(compose, storm.rng.sample(storm.SERVICES, len(storm.SERVICES)))
        last[one.service] = one
        told.append((_since(started), one.service))
        say(f"killed {one.service} {told[-1][0]} s into the storm")
    for one in last.values():
        compose.await_well(one)
    if (left := compose.rounds_left()) < at_least:
        raise ContainerError(f"{left} rounds are left after {storm.kills} kills, too few: give the task more --rounds")
    return told


def _first_that_runs(compose: Compose, services: Sequence[str]) -> Killed:
    """Kills it. The others are not up again from an earlier kill."""
    for service in services:
        with contextlib.suppress(ContainerError):
            return compose.kill(service)
    raise ContainerError("no service runs")


def _with_cluster(compose: Compose, files: Sequence[str], told: dict[str, Any]) -> None:
    """Both processes of the edge server are made anew in the middle of the task, to leave sums to a cluster."""
    started = time.monotonic()
    compose.make_secrets("cluster")
    compose.lay_over([*files, "compose.dask.yaml"], ["edge-1", "edge-2", *CLUSTER])
    told["cluster"] = of_cluster = {"seconds_until_up": _since(started)}
    killed: dict[str, Any] = {}
    told["killed_of_cluster"] = killed
    _await_sum(compose, of_cluster, "seconds_until_first_sum")
    told["doors"] += compose.doors()
    for service in CLUSTER:
        compose.await_well(_kill(compose, service, killed, at_least=2))
    _await_sum(compose, of_cluster, "seconds_until_sum_afterwards")


def _await_sum(compose: Compose, told: dict[str, Any], name: str) -> None:
    """Of one more round, by workers alone."""
    started, before = time.monotonic(), compose.published()
    compose.await_true(lambda: max(compose.summed_by_workers(), default=0) > before, "sum by workers")
    told[name] = _since(started)


def _since(moment: float) -> float:
    return round(time.monotonic() - moment, 1)
