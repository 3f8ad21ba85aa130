"""The authority as a process of its own, with a chain that is away: it serves, says so, and stops when told to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from protocol.identifiers import from_hex
from tests.unit.backend.key_authority.scene import authority_signer

PROGRAM = """
import sys
from pathlib import Path
from backend.key_authority.main import serve_authority
from backend.key_authority.settings import AuthoritySettings
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key
folder = Path(sys.argv[1])
settings = AuthoritySettings(folder / "state", "http://127.0.0.1:9", DOMAIN, port=0)
seed = bytes(32) if sys.argv[2] == "seeded" else None
serve_authority(settings, Signer(private_key("authority", 1)), seed=seed, ready_file=folder / "ready")
"""


def _run(folder: Path, kind: str) -> list[dict[str, object]]:
    """The log of one life."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), kind], stderr=subprocess.PIPE, text=True)
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


def test_a_process_serves_says_that_the_chain_is_away_and_stops(tmp_path: Path) -> None:
    for kind in ("system", "seeded"):
        log = _run(tmp_path, kind)
        assert [entry["event"] for entry in log] == ["listening", "refused"]
        assert log[1]["code"] == "E_LEDGER"
