"""What an operator says of a cluster reaches the edge server, the scheduler and the worker, or is refused."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner, Result

from backend.aggregation.cluster import Cluster, TlsFiles
from scripts.cli import app
from storage.ledger import keystore
from tests.samples import private_key

ADDRESS = "tls://cluster.example:8786"
PLAIN = ["--allow-plain-cluster"]
SERVERS = {
    "edge": "backend.main.serve_edge",
    "scheduler": "backend.aggregation.cluster_process.serve_scheduler",
    "worker": "backend.aggregation.cluster_process.serve_worker",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keystore, "SCRYPT_N", 2)  # a password that costs no time
    keystore.write_keystore(tmp_path / "key", private_key("cluster"), "secret")
    (tmp_path / "password").write_text("secret")
    made = _run("cluster", "certificates", "made", "--part", "edge-1", "--part", "scheduler")
    assert made.exit_code == 0, made.output
    return tmp_path


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def _edge(*options: str) -> tuple[int, Cluster | None]:
    own = ["--keystore", "key", "--password-file", "password", "--folder", "state", "--store", "store"]
    chain = ["--rpc-url", "http://127.0.0.1:9", "--ledger", "31337:0x" + "11" * 20, "--authority", "http://127.0.0.1:9"]
    with mock.patch(SERVERS["edge"]) as serving:
        ended = _run("serve", "edge", *own, *chain, *options)
    found = serving.call_args.args[0].cluster if serving.called else None
    assert found is None or isinstance(found, Cluster)
    return ended.exit_code, found


def _tls(part: str = "edge-1") -> list[str]:
    files = {"ca": "ca.pem", "certificate": f"{part}.pem", "key": f"{part}.key"}
    return [word for kind, name in files.items() for word in (f"--scheduler-{kind}", f"made/{name}")]


DASK = ["--executor", "dask", "--scheduler-address"]
FILES = TlsFiles(Path("made/ca.pem"), Path("made/edge-1.pem"), Path("made/edge-1.key"))


def test_an_edge_server_adds_by_itself_unless_told(folder: Path) -> None:
    assert _edge() == (0, None)


def test_an_edge_server_and_its_cluster(folder: Path) -> None:
    assert _edge(*DASK, ADDRESS, *_tls()) == (0, Cluster(ADDRESS, FILES, str(folder / "store")))
    elsewhere = ["--workers-store", "http://kubo.example:5001"]
    assert _edge(*DASK, ADDRESS, *_tls(), *elsewhere) == (0, Cluster(ADDRESS, FILES, elsewhere[1]))
    plain = "tcp://cluster.example:8786"
    assert _edge(*DASK, plain, *PLAIN) == (0, Cluster(plain, None, str(folder / "store")))


@pytest.mark.parametrize(
    ("code", "options"),
    [
        (1, [*DASK, "tcp://cluster.example:8786", *_tls()]),  # certificates that nobody would ask for
        (1, [*DASK, ADDRESS, *PLAIN]),
        (2, [*DASK, "tcp://cluster.example:8786"]),
        (2, [*DASK, ADDRESS]),
        (2, [*DASK, ADDRESS, *_tls()[:4]]),
        (2, [*DASK, ADDRESS, *_tls(), *PLAIN]),
        (2, ["--executor", "dask", *_tls()]),
        (2, ["--scheduler-address", ADDRESS]),
        (2, _tls()),
        (2, ["--executor", "ray"]),
    ],
)
def test_half_a_cluster_is_refused(code: int, options: list[str], folder: Path) -> None:
    assert _edge(*options) == (code, None)


def test_scheduler_and_worker(folder: Path) -> None:
    files = TlsFiles(Path("made/ca.pem"), Path("made/scheduler.pem"), Path("made/scheduler.key"))
    with mock.patch(SERVERS["scheduler"]) as serving:
        assert _run("cluster", "scheduler", *_tls("scheduler"), "--host", "192.0.2.1").exit_code == 0
    serving.assert_called_once_with("192.0.2.1", 8786, files, None)
    with mock.patch(SERVERS["worker"]) as serving:
        assert _run("cluster", "worker", *DASK[2:], ADDRESS, *_tls("scheduler"), "--threads", "2").exit_code == 0
    serving.assert_called_once_with(ADDRESS, None, 2, files, None)
    for name in ("scheduler", "worker"):
        with mock.patch(SERVERS[name]) as serving:
            address = [*DASK[2:], ADDRESS] if name == "worker" else []
            assert (_run("cluster", name, *address).exit_code, serving.called) == (2, False)


@pytest.mark.parametrize("wrong", [["ca"], ["../edge"], ["Edge"], ["edge", "edge"], [""]])
def test_names_that_parts_cannot_have(wrong: list[str], folder: Path) -> None:
    parts = [word for name in wrong for word in ("--part", name)]
    assert _run("cluster", "certificates", "new", *parts).exit_code == 2
    assert not (folder / "new").exists()


def test_certificates_are_written_over_nothing(folder: Path) -> None:
    before = (folder / "made" / "ca.pem").read_bytes()
    assert _run("cluster", "certificates", "made", "--part", "edge-1").exit_code == 2
    assert (folder / "made" / "ca.pem").read_bytes() == before
