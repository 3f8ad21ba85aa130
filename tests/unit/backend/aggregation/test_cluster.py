"""A cluster without TLS, or with files that are none, is refused before anything is sent."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from cryptography.hazmat.primitives import serialization

from backend.aggregation.cluster import Cluster, TlsFiles, require_dask, security
from backend.aggregation.executor import ExecutorError
from scripts.commands.cluster_certificates import write_certificates

ADDRESS = "tls://cluster.example:8786"


@pytest.fixture
def tls(tmp_path: Path) -> TlsFiles:
    write_certificates(tmp_path / "made", ["edge", "worker"])
    return TlsFiles(tmp_path / "made" / "ca.pem", tmp_path / "made" / "edge.pem", tmp_path / "made" / "edge.key")


def test_tls_with_its_files(tls: TlsFiles) -> None:
    for address in (ADDRESS, "tls://192.0.2.1:1", "tls://[2001:db8::1]:65535"):
        Cluster(address, tls, "store").check()
    Cluster("tcp://192.0.2.1:1", None, "store").check()


@pytest.mark.parametrize(
    "address",
    ["tcp://cluster.example:8786", "ws://h:1", "ucx://h:1", "inproc://h:1", "tls://h", "tls://h:0", "tls://h:65536",
     "tls://user@h:1", "tls://h:1/path", "h:1", "", "tls://h:1\n"],
)  # fmt: skip
def test_no_other_address_has_certificates(address: str, tls: TlsFiles) -> None:
    with pytest.raises(ExecutorError):
        Cluster(address, tls, "store").check()


def test_no_tls_without_certificates() -> None:
    with pytest.raises(ExecutorError):
        Cluster(ADDRESS, None, "store").check()


def _spoilt(tls: TlsFiles, how: str) -> TlsFiles:
    folder = tls.authority.parent
    other = folder / "other"
    if how == "absent":
        return TlsFiles(other, tls.certificate, tls.key)
    if how == "a folder":
        return TlsFiles(tls.authority, folder, tls.key)
    if how == "a device":
        return TlsFiles(Path("/dev/zero"), tls.certificate, tls.key)
    if how == "another's key":
        return TlsFiles(tls.authority, tls.certificate, folder / "worker.key")
    if how == "a locked key":
        key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        other.write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
        return TlsFiles(tls.authority, tls.certificate, other)
    other.write_bytes(b"x" * (10 if how == "no PEM" else 70_000))
    return TlsFiles(other, tls.certificate, tls.key)


@pytest.mark.parametrize(
    "how", ["absent", "a folder", "a device", "another's key", "a locked key", "no PEM", "a large file"]
)
def test_files_that_are_no_certificates(how: str, tls: TlsFiles) -> None:
    with pytest.raises(ExecutorError):
        Cluster(ADDRESS, _spoilt(tls, how), "store").check()


@pytest.fixture
def _unloaded() -> Iterator[None]:
    require_dask.cache_clear()
    yield
    require_dask.cache_clear()


@pytest.mark.usefixtures("_unloaded")
def test_without_the_extra_it_says_which_one() -> None:
    with mock.patch.dict(sys.modules, {"distributed": None}), pytest.raises(ExecutorError, match=r"hearth-fl\[dask\]"):
        Cluster("tcp://h:1", None, "store").check()


def test_every_part_shows_and_asks_for_a_certificate(tls: TlsFiles) -> None:
    made = security(tls)
    assert made.require_encryption
    for part in ("scheduler", "worker"):
        context = made.get_listen_args(part)["ssl_context"]
        assert (context.verify_mode, context.minimum_version) == (ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_3)
    for part in ("client", "scheduler", "worker"):
        assert made.get_connection_args(part)["ssl_context"].verify_mode == ssl.CERT_REQUIRED


def test_keys_are_for_their_owner_alone_and_nobody_can_sign_another(tls: TlsFiles) -> None:
    folder = tls.authority.parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "ca.pem", "edge.key", "edge.pem", "worker.key", "worker.pem"
    ]  # fmt: skip
    assert {oct(path.stat().st_mode & 0o777) for path in folder.glob("*.key")} == {"0o600"}
    assert len({path.read_bytes() for path in folder.glob("*.key")}) == 2
