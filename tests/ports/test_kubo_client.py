"""What only a daemon can do wrong: half answers, silence, lies, and no answer at all."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from protocol.content.cid import Cid, cid_of
from protocol.errors import MalformedError
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentTooLargeError,
    StoreUnavailableError,
    get_document,
)
from storage.content.kubo_address import KuboAddress
from storage.content.kubo_client import KuboStore
from tests.ports.kubo_fake import KuboFake

DATA = random.Random(7).randbytes(200_000)
CHUNK = 32_768


@pytest.fixture
def fake() -> Iterator[KuboFake]:
    with KuboFake() as running:
        yield running


@pytest.fixture
def store(fake: KuboFake) -> Iterator[KuboStore]:
    running = KuboStore(fake.url, timeout_seconds=5)
    yield running
    running.close()


def test_the_version_and_a_round_trip_without_a_warning(fake: KuboFake) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = KuboStore(fake.url, timeout_seconds=5)
        assert store.daemon_version() == "0.43.0"
        root = store.put(DATA, CHUNK)
        assert fake.pins == {root.text}
        assert store.get(root, len(DATA), CHUNK) == DATA
        store.close()


def test_every_parameter_of_the_address_is_stated(fake: KuboFake, store: KuboStore) -> None:
    store.put(DATA, CHUNK)
    (sent,) = [line for line in fake.requests if line.startswith("/api/v0/add")]
    for stated in ("chunker=size-32768", "only-hash=False", "nocopy=False", "wrap-with-directory=False"):
        assert stated in sent


def test_another_address_than_ours_is_refused(fake: KuboFake, store: KuboStore) -> None:
    fake.answered_hash = cid_of(b"other").text
    with pytest.raises(ContentCorruptError):
        store.put(DATA, CHUNK)


def test_adding_over_a_damaged_block_is_not_believed(fake: KuboFake, store: KuboStore) -> None:
    store.put(DATA, CHUNK)
    fake.flip_bit(cid_of(DATA[:CHUNK]))
    with pytest.raises(ContentCorruptError):
        store.put(DATA, CHUNK)


def test_absent_content_on_an_online_daemon_times_out_as_missing(fake: KuboFake) -> None:
    fake.online = True
    with pytest.raises(ContentMissingError):
        KuboStore(fake.url, timeout_seconds=0.1).get(cid_of(b"absent"), 100)


def test_silence_in_the_middle_of_a_body_is_missing(fake: KuboFake, store: KuboStore) -> None:
    root = store.put(DATA, CHUNK)
    fake.stall_after = 65_536
    with pytest.raises(ContentMissingError, match="fell silent"):
        KuboStore(fake.url, timeout_seconds=0.1).get(root, len(DATA), CHUNK)


def test_a_daemon_that_dies_in_the_middle_of_a_body_is_unavailable(fake: KuboFake, store: KuboStore) -> None:
    root = store.put(DATA, CHUNK)
    fake.die_after = 65_536
    with pytest.raises(StoreUnavailableError):
        store.get(root, len(DATA), CHUNK)


def test_a_daemon_that_drips_is_cut_off_by_the_clock(fake: KuboFake, store: KuboStore) -> None:
    root = store.put(DATA, CHUNK)
    times = iter([0.0, 1.0])
    slow = KuboStore(fake.url, timeout_seconds=5, clock=lambda: next(times, 1e6))
    with pytest.raises(ContentMissingError, match="slowly"):
        slow.get(root, len(DATA), CHUNK)


def test_no_body_is_waited_for_byte_by_byte(fake: KuboFake, store: KuboStore) -> None:
    """A server that drips is never silent."""
    root = store.put(DATA, CHUNK)
    fake.drips = True
    times = iter(range(1000))
    slow = KuboStore(fake.url, timeout_seconds=5, clock=lambda: float(next(times)))
    with pytest.raises(ContentMissingError, match="slowly"):
        slow.get(root, len(DATA), CHUNK)


def test_a_body_longer_than_asked_for_is_cut_off(fake: KuboFake, store: KuboStore) -> None:
    root = store.put(DATA, CHUNK)
    fake.ignore_length = True
    with pytest.raises(ContentTooLargeError):
        store.get(root, 1000, CHUNK)
    with pytest.raises(ContentTooLargeError):
        get_document(store, root.digest, 1000, CHUNK)


def test_a_short_and_wrong_raw_block_is_corrupt_an_empty_one_missing(fake: KuboFake, store: KuboStore) -> None:
    cid = store.put(b"a small document")
    fake.blocks[cid.digest] = b"a small"
    with pytest.raises(ContentCorruptError):
        store.get(cid, 100)
    fake.blocks[cid.digest] = b""
    with pytest.raises(ContentMissingError):
        store.get(cid, 100)


def test_a_tree_with_a_wrong_root_node_is_corrupt(fake: KuboFake, store: KuboStore) -> None:
    root = store.put(DATA, CHUNK)
    fake.flip_bit(root)
    fake.lose(cid_of(DATA[CHUNK : 2 * CHUNK]))
    with pytest.raises(ContentCorruptError):
        store.get(root, len(DATA), CHUNK)


def test_a_refusing_daemon_is_unavailable(fake: KuboFake, store: KuboStore) -> None:
    fake.forbidden = True
    for call in (store.daemon_version, lambda: store.put(DATA), lambda: store.get(cid_of(DATA), len(DATA))):
        with pytest.raises(StoreUnavailableError):
            call()


def test_a_stopped_daemon_is_unavailable() -> None:
    with KuboFake() as fake:
        store = KuboStore(fake.url, timeout_seconds=1)
        store.put(DATA, CHUNK)
    for call in (store.daemon_version, lambda: store.put(DATA), lambda: store.get(cid_of(DATA), len(DATA))):
        with pytest.raises(StoreUnavailableError):
            call()


def test_a_daemon_below_a_path_or_behind_a_socket(tmp_path_factory: pytest.TempPathFactory) -> None:
    socket_path = tmp_path_factory.mktemp("kubo") / "rpc.sock"
    for fake in (KuboFake(prefix="/ipfs/rpc"), KuboFake(uds=socket_path)):
        with fake:
            store = KuboStore(fake.url, timeout_seconds=5)
            assert store.get(store.put(DATA, CHUNK), len(DATA), CHUNK) == DATA
            store.close()


def test_credentials_come_from_a_file_and_stay_out_of_messages(
    fake: KuboFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.wanted = "Bearer open-sesame"
    for sent in ("Bearer open-sesame", "Bearer wrong-sesame"):
        file = tmp_path / sent.replace(" ", "-")
        file.write_text(f"{fake.url}  {sent}\n")
        file.chmod(0o600)
        monkeypatch.setenv("HEARTH_CREDENTIALS", str(file))
        store = KuboStore(fake.url, timeout_seconds=5)
        if sent == fake.wanted:
            assert store.daemon_version()
        else:
            with pytest.raises(StoreUnavailableError, match="HEARTH_CREDENTIALS") as caught:
                store.put(DATA, CHUNK)
            assert "sesame" not in str(caught.value) and caught.value.lasting
        store.close()


def test_threads_may_share_one_client(store: KuboStore) -> None:
    documents = [random.Random(seed).randbytes(40_000) for seed in range(16)]

    def there_and_back(data: bytes) -> bytes:
        return store.get(store.put(data, CHUNK), len(data), CHUNK)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(there_and_back, documents)) == documents


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://127.0.0.1:5001", "/ip4/127.0.0.1/tcp/5001/http"),
        ("http://127.0.0.1:5001/", "/ip4/127.0.0.1/tcp/5001/http"),
        ("http://[::1]:5001", "/ip6/::1/tcp/5001/http"),
        ("https://store.example", "/dns/store.example/tcp/443/https"),
        ("http://localhost:5001", "/dns/localhost/tcp/5001/http"),
        ("/ip4/127.0.0.1/tcp/5001", "/ip4/127.0.0.1/tcp/5001"),
        ("/unix/run/kubo.sock", "/unix/run/kubo.sock"),
    ],
)
def test_a_url_becomes_a_multiaddr(location: str, expected: str) -> None:
    assert KuboAddress(location).multiaddr == expected
    KuboStore(location).close()


@pytest.mark.parametrize("location", ["https://h/a/b", "https://h:443/a/b/", "https://h/a/b/api/v0"])
def test_a_daemon_may_stand_below_a_path(location: str) -> None:
    address = KuboAddress(location)
    assert (address.multiaddr, address.base) == ("/dns/h/tcp/443/https", "a/b/api/v0")


@pytest.mark.parametrize(
    "location",
    ["", "ftp://h:1", "http://", "http://h:99999", "http://h:x", "http://u:p@h:1", "http://h:1/a b", "http://h:1?a=b",
     "http://a%2fb:1", "http://[::1", "/ip4/127.0.0.1", "/ip4/300.0.0.1/tcp/1", "/nonsense", "/ip4/127.0.0.1/udp/1",
     "/unix/Run/kubo.sock", "/unix/a b"],
)  # fmt: skip
def test_anything_else_is_refused(location: str) -> None:
    with pytest.raises(MalformedError):
        KuboStore(location)


def test_an_absent_tree_and_its_absent_root_are_missing(store: KuboStore) -> None:
    with pytest.raises(ContentMissingError):
        store.get(Cid("dag-pb", bytes(32)), 100)
