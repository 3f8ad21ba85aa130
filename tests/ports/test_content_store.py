"""One suite for every content store: memory, folder, Kubo client with a fake and, where found, with a real daemon."""

from __future__ import annotations

import atexit
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from protocol.content.cid import Cid, blocks_of, cid_of
from protocol.errors import MalformedError, Party
from storage.content.filesystem import FilesystemStore
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentStore,
    ContentTooLargeError,
    StoreUnavailableError,
    get_document,
)
from storage.content.kubo_client import KuboStore
from storage.content.memory import MemoryStore
from storage.content.patient import PatientStore
from storage.content.pinning import PinningStore, open_pins
from storage.patience import Patience
from tests.ports.kubo_daemon import KuboDaemon, find_ipfs
from tests.ports.kubo_fake import KuboFake
from tests.ports.unsteady_store import UnfriendlyKubo, UnsteadyStore

CHUNK = 1024
SIZES = (0, 1, CHUNK, CHUNK + 1, 20_000, 174 * CHUNK, 174 * CHUNK + 1)


@dataclass
class Rig:
    """A store and two ways to harm one block of an object below it."""

    store: ContentStore
    lose: Callable[[Cid, Cid], None]
    flip_bit: Callable[[Cid, Cid], None]


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def memory_rig(stack: ExitStack, folder: Path) -> Rig:
    store = MemoryStore()

    def flip(root: Cid, block: Cid) -> None:
        store.objects[root.text] = flipped(store.objects[root.text])

    return Rig(store, lambda root, block: store.objects.clear(), flip)


def filesystem_rig(stack: ExitStack, folder: Path) -> Rig:
    def flip(root: Cid, block: Cid) -> None:
        path = folder / root.text
        path.write_bytes(flipped(path.read_bytes()))

    return Rig(FilesystemStore(folder), lambda root, block: (folder / root.text).unlink(), flip)


@cache
def running(name: str) -> KuboFake:
    """One for all tests: to start and stop it takes longer than any of them."""
    fake = KuboFake() if name == "friendly" else UnfriendlyKubo()
    atexit.register(fake.stop)
    return fake.__enter__()


def emptied(name: str) -> KuboFake:
    fake = running(name)
    fake.empty()
    return fake


def kubo_rig(stack: ExitStack, node: KuboFake | KuboDaemon) -> Rig:
    store = KuboStore(node.url, timeout_seconds=5)
    stack.callback(store.close)
    return Rig(store, lambda root, block: node.lose(block), lambda root, block: node.flip_bit(block))


def unsteady_rig(stack: ExitStack, folder: Path) -> Rig:
    steady = memory_rig(stack, folder)
    return replace(steady, store=PatientStore(UnsteadyStore(steady.store, seed=7, share=0.5), NO_WAIT))


def unfriendly_rig(stack: ExitStack, folder: Path) -> Rig:
    below = kubo_rig(stack, emptied("unfriendly"))
    return replace(below, store=PatientStore(below.store, NO_WAIT))


NO_WAIT = Patience(sleep=lambda _: None)
RIGS: dict[str, Callable[[ExitStack, Path], Rig]] = {
    "memory": memory_rig,
    "filesystem": filesystem_rig,
    "kubo-fake": lambda stack, folder: kubo_rig(stack, emptied("friendly")),
    "unsteady": unsteady_rig,
    "kubo-unfriendly": unfriendly_rig,
}
if PROGRAM := find_ipfs():
    RIGS["kubo-daemon"] = lambda stack, folder: kubo_rig(stack, stack.enter_context(KuboDaemon(str(PROGRAM), folder)))


@pytest.fixture(params=list(RIGS))
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield RIGS[request.param](stack, tmp_path)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_put_is_got_under_its_own_address(rig: Rig, size: int) -> None:
    data = content(size)
    cid = rig.store.put(data, CHUNK)
    assert cid == cid_of(data, CHUNK)
    assert cid.codec == ("raw" if size <= CHUNK else "dag-pb")
    assert rig.store.get(cid, size, CHUNK) == data


@pytest.mark.parametrize("size", SIZES)
def test_a_bare_digest_finds_the_whole_document(rig: Rig, size: int) -> None:
    """A daemon that finds blocks by digest offers the root node's own bytes for the raw CID: not the document."""
    data = content(size)
    digest = rig.store.put(data, CHUNK).digest
    assert get_document(rig.store, digest, size, CHUNK) == data


def test_putting_twice_is_the_same_as_once(rig: Rig) -> None:
    assert rig.store.put(content(5000), CHUNK) == rig.store.put(content(5000), CHUNK)
    assert rig.store.get(cid_of(content(5000), CHUNK), 5000, CHUNK) == content(5000)


@pytest.mark.parametrize("size", [CHUNK, 20_000])
def test_larger_than_allowed_is_refused(rig: Rig, size: int) -> None:
    cid = rig.store.put(content(size), CHUNK)
    with pytest.raises(ContentTooLargeError):
        rig.store.get(cid, size - 1, CHUNK)
    with pytest.raises(ContentTooLargeError):
        get_document(rig.store, cid.digest, size - 1, CHUNK)


def test_never_stored_is_missing(rig: Rig) -> None:
    rig.store.put(b"something else")
    for cid in (cid_of(b"absent"), cid_of(content(5000), CHUNK)):
        with pytest.raises(ContentMissingError) as caught:
            rig.store.get(cid, 5000, CHUNK)
        assert caught.value.fault is Party.CONTENT_STORE
        with pytest.raises(ContentMissingError):
            get_document(rig.store, cid.digest, 5000, CHUNK)


@pytest.mark.parametrize("size", [CHUNK, 3 * CHUNK, 20_000])
def test_a_flipped_bit_is_corrupt_not_missing(rig: Rig, size: int) -> None:
    data = content(size)
    root = rig.store.put(data, CHUNK)
    rig.flip_bit(root, cid_of(data[:CHUNK], CHUNK))
    with pytest.raises(ContentCorruptError):
        rig.store.get(root, size, CHUNK)
    with pytest.raises(ContentCorruptError):
        get_document(rig.store, root.digest, size, CHUNK)


@pytest.mark.parametrize("position", [0, 3, 19])
def test_a_lost_block_is_missing_not_corrupt(rig: Rig, position: int) -> None:
    """Kubo answers 200 with the bytes before the lost leaf."""
    data = content(20_000)
    root = rig.store.put(data, CHUNK)
    rig.lose(root, [block.cid for block in blocks_of(data, CHUNK)][position])
    with pytest.raises(ContentMissingError):
        rig.store.get(root, len(data), CHUNK)
    with pytest.raises(ContentMissingError):
        get_document(rig.store, root.digest, len(data), CHUNK)


def test_a_lost_root_is_missing(rig: Rig) -> None:
    root = rig.store.put(content(20_000), CHUNK)
    rig.lose(root, root)
    with pytest.raises(ContentMissingError):
        rig.store.get(root, 20_000, CHUNK)


def test_the_wrong_chunk_size_is_not_the_content(rig: Rig) -> None:
    root = rig.store.put(content(20_000), CHUNK)
    with pytest.raises(ContentCorruptError):
        rig.store.get(root, 20_000, 2 * CHUNK)


def test_a_document_that_would_be_read_as_a_tree_is_refused(rig: Rig) -> None:
    *_, root = blocks_of(content(5000), CHUNK)
    with pytest.raises(MalformedError):
        rig.store.put(root.data)
    assert rig.store.put(root.data, 32) == cid_of(root.data, 32)


PINNING = [name for name in RIGS if not name.startswith(("unsteady", "kubo-unfriendly"))]


@pytest.mark.parametrize("name", PINNING)
@pytest.mark.parametrize("size", [CHUNK, 20_000])
def test_what_was_put_stays_until_it_is_unpinned(name: str, size: int, tmp_path: Path) -> None:
    with ExitStack() as stack:
        store = cast(PinningStore, RIGS[name](stack, tmp_path).store)
        cid, other = store.put(content(size), CHUNK), cid_of(content(size + 1), CHUNK)
        assert store.pinned(cid) and not store.pinned(other)
        assert not store.pinned(Cid("raw" if cid.codec == "dag-pb" else "dag-pb", cid.digest))
        store.unpin(cid)
        store.unpin(other)
        assert not store.pinned(cid)


def test_a_daemon_that_is_away_pins_nothing_and_says_so() -> None:
    store = open_pins("http://127.0.0.1:9", 1.0)
    for act in (store.pinned, store.unpin):
        with pytest.raises(StoreUnavailableError):
            act(cid_of(content(5), CHUNK))
