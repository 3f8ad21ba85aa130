"""``hearth testnet``: real anvil and real ganache, started by one process, seen and stopped by others."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any

import pytest

from protocol.domain import Domain
from protocol.identifiers import from_hex
from scripts.chain.background import START_SECONDS, STATE_FILE, Testnet, TestnetError, down, read_state, up
from scripts.demonstration.processes import Stage
from scripts.launcher import hearth_command
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.interface import LedgerError
from storage.ledger.public_keys import is_public_key
from storage.ledger.signer import Signer


def hearth(folder: Path, *arguments: str) -> str:
    """What one command printed; its process has ended."""
    ran = subprocess.run(
        [*hearth_command(), "testnet", *arguments, "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("chain", ["anvil", "ganache"])
def test_up_and_down(chain: str, tmp_path: Path) -> None:
    try:
        shown: dict[str, Any] = json.loads(hearth(tmp_path, "up", "--chain", chain, "--port", "0", "--json"))
        running = read_state(tmp_path)
        assert running is not None and not shown["already_up"]
        assert os.getsid(running.pid) == running.pid, "of no shell"
        keys = [from_hex(account["private_key"]) for account in shown["accounts"]]
        assert len(keys) == 10
        assert all(is_public_key(key, Signer(key).address) for key in keys), "refused off loopback"
        ledger = EthereumLedger(shown["rpc_url"], Domain(shown["chain_id"], from_hex(shown["ledger"])), Signer(keys[9]))
        ledger.verify_contract()
        assert ledger.domain.chain_id == shown["chain_id"]
        assert all(ledger.balance(Signer(key).address) > 10**20 for key in keys)
        block = ledger.transfer(b"\x94" * 20, 1).block

        again, started = up(tmp_path, chain, None)
        assert (again, started) == (running, False)
        assert ledger.block_number() == block, "nothing was deployed again"
        with pytest.raises(TestnetError, match="is up at"):
            up(tmp_path, "ganache" if chain == "anvil" else "anvil", None)
        with pytest.raises(TestnetError, match="port"):
            up(tmp_path / "other", chain, int(shown["rpc_url"].rpartition(":")[2]))

        assert shown["rpc_url"] in hearth(tmp_path, "down")
        with pytest.raises(LedgerError):
            ledger.block_number()
        ledger.close()
        assert not os.path.exists(f"/proc/{running.pid}") or read_state(tmp_path) is None
        assert down(tmp_path) is None
    finally:
        down(tmp_path)


def test_a_start_that_is_killed_leaves_no_chain_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*hearth_command(), "testnet", "up", "--port", "0", "--folder", str(tmp_path)], stdout=subprocess.DEVNULL
    ) as starting:
        Stage().await_until((tmp_path / STATE_FILE).is_file, tick_seconds=0.01)
        testnet = Testnet(**json.loads((tmp_path / STATE_FILE).read_text()))
        assert not testnet.ledger, "not ready"
        watched = os.pidfd_open(testnet.pid)
        starting.kill()
    assert select.select([watched], [], [], START_SECONDS)[0], "the chain ends with who started it"
    os.close(watched)
    assert read_state(tmp_path) is None
    assert down(tmp_path) is None


def test_a_process_that_only_has_the_number_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as innocent:
        state = {"chain": "anvil", "pid": innocent.pid, "started": 1, "rpc_url": "http://127.0.0.1:1"}
        (tmp_path / STATE_FILE).write_text(json.dumps(state))
        assert down(tmp_path) is None
        assert innocent.poll() is None
        assert not (tmp_path / STATE_FILE).exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": 1}'])
def test_a_file_that_is_no_state_stops_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_text(content)
    with pytest.raises(TestnetError, match="not a state file"):
        down(tmp_path)
