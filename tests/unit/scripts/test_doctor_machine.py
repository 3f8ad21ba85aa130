"""What ``hearth doctor`` says of the machine itself and of its way out."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.doctor import machine, network
from scripts.doctor.verdict import Grade, examined, fail


def test_a_machine_that_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.python((3, 10, 4)).grade is Grade.FAIL
    lock = tmp_path / "lock"
    lock.write_text("numpy==0.1 \\\n    --hash=x\nwinonly==1.0 ; sys_platform == 'win32' \\\ntyper==0.1 ; y\n")
    assert machine.packages(lock).said.startswith("other versions than locked: numpy")
    lock.write_text("no-such-package==0.1 \\\n")
    assert machine.packages(lock) == fail("missing: no-such-package", machine._MAKE)
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    assert machine.private(tmp_path / "open").remedy == f"chmod 700 {tmp_path / 'open'}"
    assert machine.private(tmp_path / "lock").grade is Grade.FAIL
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    assert machine.room(tmp_path).grade is Grade.FAIL
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    for name in machine._KERNELS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert machine.compiled(tmp_path).remedy.startswith("run hearth prepare")


def test_the_way_of_each_request_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example:3128")
    said = network.way("https://rpc.example.org/v1").said
    assert "by the proxy http://proxy.example:3128" in said and "secret" not in said
    assert "HTTPS_PROXY" in network.proxies().said
    assert network.way("http://127.0.0.1:8545").said == "http://127.0.0.1:8545 directly"
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1080")
    assert network.way("https://rpc.example.org").grade is Grade.FAIL
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    assert examined("certificates", network.certificates, "").verdict.grade is Grade.FAIL
