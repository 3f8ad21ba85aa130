"""What a role loads before it has anything to do: seconds and megabytes that most of its life it would not need."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from protocol.domain import parse_domain
from protocol.identifiers import to_hex
from protocol.model.dataset import encode_labelled
from protocol.signing import domain_separator
from storage.ledger.keystore import write_keystore
from tests.samples import private_key
from tests.unit.storage.ledger.node import by_method, node, result

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(name for name in sys.modules if "." not in name))))
from scripts.cli import main
main()
"""
HEAVY = {
    *("torch", "numba", "scipy", "sklearn", "web3", "eth_account", "py_ecc", "aiohttp", "eth_tester", "eth", "solcx"),
    *("dask", "distributed"),
}
SERVERS = {"fastapi", "uvicorn"}
LEDGER = "31337:0x" + "11" * 20


@pytest.fixture(scope="module")
def chain() -> Iterator[str]:
    """A node that says which chain and ledger it has, and nothing else."""
    separator = result(to_hex(domain_separator(parse_domain(LEDGER))))
    with node(by_method(eth_chainId=result("0x7a69"), eth_call=separator, eth_getBalance=result("0x0"))) as url:
        yield url


@pytest.fixture
def account(tmp_path: Path) -> list[str]:
    keystore, password = tmp_path / "keystore.json", tmp_path / "password"
    write_keystore(keystore, private_key("starting"), "secret")
    password.write_text("secret")
    return ["--keystore", str(keystore), "--password-file", str(password), "--folder", str(tmp_path / "state")]


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _loaded(process: subprocess.Popen[str]) -> set[str]:
    """Names of the packages that it had imported when it ended."""
    output, log = process.communicate(timeout=120)
    assert output, log
    return set(json.loads(output.splitlines()[-1]))


def test_a_phone(chain: str, account: list[str], tmp_path: Path) -> None:
    """Up to its first question about the task, which this node cannot answer: that is later than all of its imports."""
    data = tmp_path / "household.safetensors"
    data.write_bytes(encode_labelled(np.zeros((3, 4), dtype=np.uint8), np.zeros(3, dtype=np.uint8)))
    own = ["--household", str(tmp_path / "household"), "--data", str(data), "--task", "1", "--yes"]
    contacts = ["--rpc-url", chain, "--store", str(tmp_path / "store"), "--edge", "http://127.0.0.1:9"]
    process = _start(["agent", *contacts, "--ledger", LEDGER, *account, *own])
    loaded = _loaded(process)
    assert process.returncode == 1
    assert {"numpy", "client_agent"} <= loaded, "it did start"
    assert loaded & (HEAVY | SERVERS) == set()


@pytest.mark.parametrize("role", ["edge", "authority"])
def test_a_server(chain: str, account: list[str], tmp_path: Path, role: str) -> None:
    ready, more = tmp_path / "ready", []
    if role == "edge":
        more = ["--store", str(tmp_path / "store"), "--authority", "http://127.0.0.1:9"]
    listening = ["--port", "0", "--ready-file", str(ready)]
    process = _start(["serve", role, "--rpc-url", chain, "--ledger", LEDGER, *account, *more, *listening])
    deadline = time.monotonic() + 120
    while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    loaded = _loaded(process)
    assert ready.exists()
    assert loaded >= SERVERS
    assert loaded & HEAVY == set()


def test_the_auditor(chain: str, tmp_path: Path) -> None:
    loaded = _loaded(
        _start(["audit", "--rpc-url", chain, "--ledger", LEDGER, "--store", str(tmp_path / "store"), "--task", "1"])
    )
    assert "protocol" in loaded
    assert loaded & (HEAVY | SERVERS | {"client_agent", "backend"}) == set()
