"""Whatever stands between a store and its user: every call ends with the right bytes or one typed error, and asked
again with the right bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from storage.content.interface import (
    ContentError,
    ContentMissingError,
    ContentStore,
    StoreUnavailableError,
    get_document,
)
from storage.content.kubo_client import KuboStore
from storage.content.memory import MemoryStore
from storage.content.patient import MOST_DOUBTS, PatientStore
from storage.patience import Patience
from tests.ports.kubo_fake import KuboFake
from tests.ports.unsteady_store import Mischief, Time, UnfriendlyKubo, UnsteadyStore

CHUNK = 1024
OBJECTS = [random.Random(size).randbytes(size) for size in (1, 100, CHUNK, 5000)] + [
    random.Random(seed).randbytes(3000) for seed in range(20)
]


@contextmanager
def unsteady() -> Iterator[tuple[ContentStore, Mischief]]:
    store = UnsteadyStore(MemoryStore(), seed=3, share=0.6)
    yield store, store.mischief


@contextmanager
def unfriendly_kubo() -> Iterator[tuple[ContentStore, Mischief]]:
    kubo = UnfriendlyKubo(seed=3, share=0.7)
    with kubo:
        store = KuboStore(kubo.url, timeout_seconds=5)
        yield store, kubo.mischief
        store.close()


KINDS = {"store": (unsteady, 6), "kubo": (unfriendly_kubo, len(UnfriendlyKubo.KINDS))}


@pytest.mark.parametrize("kind", KINDS)
def test_one_call_gives_right_bytes_or_a_typed_error(kind: str) -> None:
    opened, kinds = KINDS[kind]
    with opened() as (store, mischief):
        told = list[str]()
        for data in OBJECTS:
            for _ in range(6):
                try:
                    assert get_document(store, store.put(data, CHUNK).digest, len(data), CHUNK) == data
                except ContentError as error:
                    told.append(str(error))
        assert len(told) >= len(OBJECTS)
        assert not [line for line in told if "<" in line or "b'" in line]
        assert len(mischief.done) == kinds, mischief.done


@pytest.mark.parametrize("kind", KINDS)
def test_patience_comes_to_the_right_bytes(kind: str) -> None:
    pauses: list[float] = []
    with KINDS[kind][0]() as (store, mischief):
        patient = PatientStore(store, Patience(sleep=pauses.append))
        for data in OBJECTS:
            assert get_document(patient, patient.put(data, CHUNK).digest, len(data), CHUNK) == data
        assert mischief.done.total() >= len(OBJECTS)
    assert max(pauses) >= 1  # as long as it was asked to wait
    assert len(pauses) <= mischief.done.total() + MOST_DOUBTS * len(OBJECTS)  # a memory store has no block of a tree


class Failing(MemoryStore):
    """Raises the same as long as it is told to."""

    def __init__(self, failure: ContentError) -> None:
        super().__init__()
        self.failure: ContentError | None = failure
        self.calls = 0

    def get(self, *arguments: object) -> bytes:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return b"content"


def _asked(store: ContentStore) -> None:
    cid = MemoryStore().put(b"content")
    assert store.get(cid, 100) == b"content"


def test_a_store_that_is_away_is_waited_for_once() -> None:
    """Whoever reads a thousand documents of a store that is down does not wait a thousand times."""
    time, store = Time(), Failing(StoreUnavailableError("down"))
    patient = PatientStore(store, time.patience())
    with pytest.raises(StoreUnavailableError):
        _asked(patient)
    waited, calls = time.now, store.calls
    assert 5 < waited <= 10
    with pytest.raises(StoreUnavailableError):
        _asked(patient)
    assert (time.now, store.calls) == (waited, calls + 1)
    store.failure = None
    _asked(patient)
    store.failure = StoreUnavailableError("down again")
    with pytest.raises(StoreUnavailableError):
        _asked(patient)
    assert time.now > waited + 5


@pytest.mark.parametrize(
    ("failure", "calls"),
    [(StoreUnavailableError("403", lasting=True), 1), (ContentMissingError("no"), 1 + MOST_DOUBTS)],
)
def test_what_asking_does_not_change_is_not_asked_for_long(failure: ContentError, calls: int) -> None:
    time, store = Time(), Failing(failure)
    with pytest.raises(type(failure)):
        _asked(PatientStore(store, time.patience()))
    assert store.calls == calls
    assert time.now < 1


STATUSES: dict[str, tuple[Callable[[KuboFake], None], str]] = {
    "forbidden": (lambda fake: setattr(fake, "forbidden", True), "status 403; name its credentials"),
    "stopped": (lambda fake: fake.stop(), "Connection refused"),
}


@pytest.mark.parametrize("case", STATUSES)
def test_a_daemon_that_cannot_be_used_is_told_in_one_plain_line(case: str) -> None:
    harm, words = STATUSES[case]
    with KuboFake() as fake:
        store = KuboStore(fake.url, timeout_seconds=5)
        cid = store.put(b"content")
        harm(fake)
        for call in (store.daemon_version, lambda: store.put(b"content"), lambda: store.get(cid, 100)):
            with pytest.raises(StoreUnavailableError) as caught:
                call()
            assert fake.url in str(caught.value) and words in str(caught.value)
        store.close()
