"""Keeps each object of a server's running tasks on several nodes of its operator, and lets it go long after their end.

Documents and ciphertexts are in the content store that phones and server share. Where that loses its disk, a task whose
ciphertexts nobody else has cannot be audited any more, and a round that runs cannot be published.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from structlog.contextvars import bound_contextvars

from protocol.content.cid import Cid
from protocol.errors import HearthError
from protocol.identifiers import Digest
from protocol.task.objects import TaskObject, objects_of
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, StoreUnavailableError, get_document
from storage.content.pinning import PinningStore

LOOK_SECONDS: Final = 30.0  # between two looks at what is to be kept
DAY_SECONDS: Final = 86_400
KEPT_DAYS: Final = 90  # after the last day on which anybody can claim: in which an audit may be asked for

log = structlog.get_logger()


@dataclass
class Node:
    """``kept``: what is known to be there, and under which address. ``own``: nobody else keeps anything there."""

    name: str
    store: PinningStore
    own: bool = True
    kept: dict[Digest, Cid] = field(default_factory=dict)


class TaskKeeper:
    """``states``: of the tasks that this server works for; ``now``: seconds of block time. ``store`` is read from.

    What is kept is seen on the nodes again after a restart. Not for threads, but :meth:`counts`.
    """

    def __init__(
        self,
        store: ContentStore,
        nodes: Sequence[Node],
        states: Callable[[], Mapping[int, TaskState]],
        now: Callable[[], int],
        kept_seconds: int = KEPT_DAYS * DAY_SECONDS,
    ) -> None:
        self._store, self._nodes, self._states, self._now = store, nodes, states, now
        self._kept_seconds = kept_seconds
        self._wanted: dict[int, frozenset[Digest]] = {}  # by task
        self._let_go: set[int] = set()
        self._told: set[Digest] = set()  # that they are nowhere to be had
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper")

    def look(self) -> None:
        """Copies what is missing on a node; lets go what no task needs any more. Raises nothing of a node or task."""
        now, needed, over = self._now(), dict[int, dict[Digest, TaskObject]](), dict[int, dict[Digest, TaskObject]]()
        for task, state in self._states().items():
            if state.posted is None or task in self._let_go:
                continue
            is_over = now > state.posted.claim_until + self._kept_seconds
            (over if is_over else needed)[task] = {wanted.digest: wanted for wanted in objects_of(state)}
        self._wanted = {task: frozenset(objects) for task, objects in needed.items()}
        for task, objects in needed.items():
            away = set[str]()
            with bound_contextvars(task=task):
                for wanted in objects.values():
                    self._keep(wanted, away)
        still = frozenset[Digest]().union(*self._wanted.values())
        for task, objects in over.items():
            with bound_contextvars(task=task):
                released = [self._release(node, objects.keys() - still) for node in self._nodes if node.own]
                if all(released):
                    self._let_go.add(task)
                    log.info("content is not kept any longer", objects=len(objects))

    def counts(self) -> Iterator[tuple[int, str, int, int]]:
        """Task, node, objects that it needs, those of them that are there."""
        for task, wanted in list(self._wanted.items()):
            for node in self._nodes:
                yield task, node.name, len(wanted), len(wanted & node.kept.keys())

    def start(self) -> None:
        if self._nodes:
            self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended."""
        self._stop.set()
        if self._nodes:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()

    def _keep(self, wanted: TaskObject, away: set[str]) -> None:
        lacking = [node for node in self._nodes if wanted.digest not in node.kept and node.name not in away]
        data: bytes | None = None
        for node in lacking:
            if self._stop.is_set():
                return
            try:
                if (there := _pinned(node.store, wanted.digest)) is None:
                    data = data or get_document(self._store, wanted.digest, wanted.max_bytes, wanted.chunk_bytes)
                    there = node.store.put(data, wanted.chunk_bytes)
                    if there.digest != wanted.digest:
                        node.store.unpin(there)
                        log.warning("an object has another form than its kind", what=wanted.what)
                        continue
                node.kept[wanted.digest] = there
            except StoreUnavailableError as error:
                away.add(node.name)  # the others of this look would meet the same
                log.warning("a node keeps nothing now", node=node.name, error=str(error))
            except HearthError as error:
                if wanted.digest not in self._told:
                    self._told.add(wanted.digest)
                    log.warning("an object is not kept", node=node.name, what=wanted.what, error=str(error))

    def _release(self, node: Node, digests: set[Digest]) -> bool:
        """Whether none of them stays there because of this server."""
        for digest in digests:
            try:
                there = node.kept.get(digest) or _pinned(node.store, digest)
                if there is not None:
                    node.store.unpin(there)
                node.kept.pop(digest, None)
            except HearthError as error:
                log.warning("not let go yet", node=node.name, error=str(error))
                return False
        return True


def _pinned(store: PinningStore, digest: Digest) -> Cid | None:
    """A digest is that of a block, or of the root of a tree."""
    return next((cid for cid in (Cid("raw", digest), Cid("dag-pb", digest)) if store.pinned(cid)), None)
