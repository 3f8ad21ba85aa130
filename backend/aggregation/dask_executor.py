"""Verification and sum on the workers of a Dask cluster; what they leave undone is done in this process.

A worker may accept a ciphertext, since its digest is proof. Only this process rejects one: a worker whose machine is
cut off from the content would find that all are missing. So verdicts are those of one process, whatever workers say.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from backend.aggregation.cluster import Cluster, require_dask, security
from backend.aggregation.executor import ExecutorError
from backend.aggregation.fetching import BodySize, Sleep
from backend.aggregation.group_sum import GroupEntry, GroupSum, GroupTask, fold_group, merge_groups
from backend.aggregation.verifier import VerifiedSum, verify_updates
from protocol.identifiers import Address, to_hex
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.round.scheme import RoundScheme
from storage.content.interface import ContentStore

GROUP: Final = 50  # ciphertexts of one task at most,
GROUPS: Final = 32  # and fewer where so many tasks can be made of them,
LEAST_OF_GROUP: Final = 4
FAN: Final = 8  # sums that are merged at once
RETRIES: Final = 2  # of a task that raised; one whose worker died is always given to another
CONNECT_SECONDS: Final = 4.0
STALL_SECONDS: Final = 120.0  # in which no task ended: the cluster is given up, for this sum

TICK_SECONDS: Final = 0.05

log = structlog.get_logger()


class _InterruptedError(Exception):
    """``by``: what the server's own pause raised."""

    def __init__(self, by: Exception) -> None:
        super().__init__(str(by))
        self.by = by


@dataclass(frozen=True)
class DaskExecutor:
    """A connection to the scheduler lasts as long as one sum. Without cluster, or with one that fails, this process
    does what it does without an executor: a round costs time then, and no client its share."""

    cluster: Cluster
    stall_seconds: float = STALL_SECONDS
    connect_seconds: float = CONNECT_SECONDS

    def verify_updates(
        self,
        store: ContentStore,
        scheme: RoundScheme,
        committed: Mapping[Address, SignedCommitment],
        sleep: Sleep,
        decided: Verdict | None = None,
    ) -> tuple[Verdict, VerifiedSum]:
        kept = committed.keys() if decided is None else frozenset(decided.accepted)
        begun = None
        if entries := _entries(scheme, {client: signed for client, signed in committed.items() if client in kept}):
            try:
                begun = self._sum(_tasks(scheme, entries, self.cluster.store), sleep)
            except _InterruptedError as interrupted:
                raise interrupted.by from None
            except Exception as error:  # whatever befalls a cluster befalls no round
                log.warning("the cluster is of no use for this sum", error=repr(error)[:500])
        verdict, total = verify_updates(store, scheme, committed, sleep, decided, begun)
        if begun is not None:
            _tell(scheme, begun, total)
        return verdict, total

    def _sum(self, tasks: Sequence[GroupTask], sleep: Sleep) -> GroupSum:
        with require_dask().Client(
            self.cluster.address,
            security=security(self.cluster.tls),
            timeout=self.connect_seconds,
            set_as_default=False,
            name="hearth-edge",
        ) as client:
            found = _reduced(client, tasks, self.stall_seconds, sleep)
        return _checked(found, tasks)


def _entries(scheme: RoundScheme, committed: Mapping[Address, SignedCommitment]) -> list[GroupEntry]:
    weights = scheme.weights
    return [
        GroupEntry(client, signed.commitment.ciphertext, weights[client])
        for client, signed in committed.items()
        if client in weights  # of another one the verifier says whose fault it is
    ]


def _tasks(scheme: RoundScheme, entries: Sequence[GroupEntry], store: str) -> list[GroupTask]:
    size = min(GROUP, max(LEAST_OF_GROUP, -(-len(entries) // GROUPS)))
    plan, encoding = scheme.plan, scheme.encoding
    return [
        GroupTask(
            store,
            plan.suite,
            encoding.bits,
            encoding.packing,
            plan.dimension,
            BodySize.of(scheme),
            tuple(entries[first : first + size]),
        )
        for first in range(0, len(entries), size)
    ]


def _reduced(client: Any, tasks: Sequence[GroupTask], stall_seconds: float, sleep: Sleep) -> Any:
    """What the cluster says is the sum of all tasks. Raises _InterruptedError with what ``sleep`` raised."""
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    root, held = _submitted(client, tasks)
    for future in [root, *held.values()]:
        future.add_done_callback(lambda done: ended.put(done.key))
    del future
    silent = 0.0
    while not root.done():
        try:
            held.pop(ended.get(timeout=TICK_SECONDS), None)  # its sum is forgotten once it is merged
            silent = 0.0
        except queue.Empty:
            silent += TICK_SECONDS
            if silent >= stall_seconds:
                raise ExecutorError(f"no task ended in {stall_seconds:g} s") from None
        try:
            sleep(0)  # no pause, but a server that stops says so here
        except Exception as error:
            raise _InterruptedError(error) from error
    return root.result(timeout=stall_seconds)


def _submitted(client: Any, tasks: Sequence[GroupTask]) -> tuple[Any, dict[str, Any]]:
    """The future of the whole sum, and those of its parts by key. Merges go before groups, so that few sums wait."""
    level = [client.submit(fold_group, task, pure=False, retries=RETRIES) for task in tasks]
    held, depth = dict[str, Any](), 0
    while len(level) > 1:
        depth += 1
        held |= {future.key: future for future in level}
        parts = [level[first : first + FAN] for first in range(0, len(level), FAN)]
        level = [client.submit(merge_groups, part, pure=False, priority=depth, retries=RETRIES) for part in parts]
    return level[0], held


def _checked(found: Any, tasks: Sequence[GroupTask]) -> GroupSum:
    """Raises unless it is a sum, in its one form, of clients that were asked for, each once and under its weight."""
    if type(found) is not GroupSum:
        raise ExecutorError("a worker answered something else than a sum")
    asked = {entry.client: entry.weight for task in tasks for entry in task.entries}
    total = merge_groups([found])
    planned = tuple(asked.get(client) for client in total.clients)
    if len(set(total.clients)) != len(total.clients) or planned != total.partial.weights:
        raise ExecutorError("a worker's sum is of other clients or weights than those asked for")
    return total


def _tell(scheme: RoundScheme, begun: GroupSum, total: VerifiedSum) -> None:
    by_workers, where = len(begun.clients), {"task": scheme.plan.task, "round": scheme.plan.round}
    log.info("added by workers", **where, ciphertexts=by_workers, left=len(total.clients) - by_workers)
    for doubt in begun.doubts:
        if doubt.client in total.clients:
            log.warning("read here and not by a worker", **where, client=to_hex(doubt.client), worker_says=doubt.why)


def workers_store(store: str) -> str:
    """A folder has the same name on every machine, so a relative one would not do."""
    from storage.content.open_store import KUBO_PREFIXES

    return store if store.startswith(KUBO_PREFIXES) else os.path.abspath(store)
