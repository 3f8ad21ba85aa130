"""The authority as a process of its own, with a chain that falls silent: it serves, says so, and stops when told to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

from protocol.identifiers import from_hex, to_hex
from protocol.signing import domain_separator
from tests.samples import DOMAIN
from tests.unit.backend.key_authority.scene import authority_signer
from tests.unit.storage.ledger.node import node, result

PROGRAM = """
import sys
from pathlib import Path
from backend.key_authority.main import serve_authority
from backend.key_authority.settings import AuthoritySettings
from backend.listening import Listening
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key
folder = Path(sys.argv[1])
settings = AuthoritySettings(folder / "state", sys.argv[3], DOMAIN, Listening(0, ready_file=folder / "ready"))
seed = bytes(32) if sys.argv[2] == "seeded" else None
serve_authority(settings, Signer(private_key("authority", 1)), seed=seed)
"""


def _run(folder: Path, kind: str, chain: str) -> list[dict[str, object]]:
    """The log of one life."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-c", PROGRAM, str(folder), kind, chain]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ready.exists(), process.communicate(timeout=30)
        url = ready.read_text()
        assert url.startswith("http://127.0.0.1:")
        identity = httpx2.get(f"{url}/api/v1/identity").json()
        away = httpx2.put(f"{url}/api/v1/tasks/1", content=b"{}")
        assert (away.status_code, away.json()["code"]) == (503, "E_LEDGER")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0, log
    finally:
        process.kill()
        process.wait()
    assert from_hex(identity["address"]) == authority_signer(1).address
    return [json.loads(line) for line in log.splitlines()]


def _silent(question: dict[str, Any]) -> bytes:
    """Says which chain and ledger these are, and refuses every other question."""
    known = {"eth_chainId": hex(DOMAIN.chain_id), "eth_call": to_hex(domain_separator(DOMAIN)), "eth_getBalance": "0x1"}
    if question["method"] in known:
        return result(known[question["method"]])(question)
    return json.dumps({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32601, "message": "no"}}).encode()


def test_a_process_serves_says_that_the_chain_is_away_and_stops(tmp_path: Path) -> None:
    with node(_silent) as chain:
        for kind in ("system", "seeded"):
            log = _run(tmp_path, kind, chain)
            assert [entry["event"] for entry in log] == ["listening", "refused"]
            assert log[1]["code"] == "E_LEDGER"
