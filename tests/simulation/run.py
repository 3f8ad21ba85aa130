"""Task after task under faults, until so many operations are done; the same seed does the same."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from tests.simulation.world import World

OPERATIONS_PER_TASK = 1_500


@dataclass
class Summary:
    """``trace``: SHA-256 over every task's chain of events."""

    seed: int
    operations: int = 0
    tasks: int = 0
    rounds: dict[str, int] = field(default_factory=dict)  # by how they ended
    faults: dict[str, int] = field(default_factory=dict)
    trace: str = ""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def simulate(
    seed: int, operations: int, tell: Callable[[str], None] = lambda _: None, *, clocks_off: bool = False
) -> Summary:
    """Raises AssertionError for an invariant that does not hold, with seed and operation."""
    summary, trace = Summary(seed), hashlib.sha256()
    with _silence(), tempfile.TemporaryDirectory() as folder:
        while summary.operations < operations:
            world = _world(seed, summary.tasks, Path(folder))
            world.faults.clocks_off = clocks_off
            try:
                _play(world, min(OPERATIONS_PER_TASK, operations - summary.operations))
            except AssertionError as error:
                where = f"seed {seed}, task {summary.tasks}, operation {world.operations}"
                raise AssertionError(f"{where}: {error}") from error
            finally:
                world.close()
            for facts in world.reader().state.rounds:
                ended = facts.state.name.lower()
                summary.rounds[ended] = summary.rounds.get(ended, 0) + 1
            for event in world.events():
                trace.update(f"{type(event).__name__} {event.block}".encode())
            for fault, times in world.faults.told.items():
                summary.faults[fault] = summary.faults.get(fault, 0) + times
            summary.operations += world.operations
            summary.tasks += 1
            tell(f"{summary.operations:,} operations, {summary.tasks} tasks, rounds {summary.rounds}")
    summary.trace = trace.hexdigest()
    return summary


def _world(seed: int, task: int, folder: Path) -> World:
    """Every kind of task has its turn, with a seed or with the next one."""
    kind = seed + task
    return World(
        seed * 1_000 + task,
        folder,
        servers=1 + kind % 3,
        phones=4 if kind % 2 else 5,
        late=kind % 2,
        cohort=3 if kind % 2 else None,
        nonsense=frozenset({1}) if kind % 4 == 2 else frozenset(),
    )


@contextmanager
def _silence() -> Iterator[None]:
    """What goes wrong is simulated: nobody reads the processes' logs."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)


def _play(world: World, operations: int) -> None:
    while world.operations < operations and not world.invariants.settled():
        for _ in range(min(25, operations - world.operations)):
            world.operate()
    world.finish()
