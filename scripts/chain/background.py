"""A local chain that outlives the shell: one process, one state file, a deployed contract, accounts for a wallet.

The state file names the process by number and start, so that ``down`` stops that one and no other that got its number.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from eth_account import Account

from protocol.errors import HearthError, MalformedError
from protocol.identifiers import to_hex
from protocol.strict_json import parse_json
from scripts.checks.node_tools import ensure_anvil, ensure_ganache, ensure_node
from scripts.guard import Guard
from storage.durable_file import write_file_atomically
from storage.ledger.ethereum.ledger import deploy
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.interface import LedgerError
from storage.ledger.signer import Signer

MNEMONICS: Final = {
    "anvil": "test test test test test test test test test test test junk",
    "ganache": "myth like bonus scare over problem client lizard pioneer submit female collect",
}
ACCOUNTS: Final = 10
DEFAULT_PORT: Final = 8545
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 8.0
STATE_FILE: Final = "testnet.json"


class TestnetError(HearthError):
    """A chain that does not start or stop, or is not the one asked for."""

    __test__ = False
    code = "E_TESTNET"


@dataclass(frozen=True, slots=True)
class Testnet:
    """What the state file says. ``started``: the process's start in clock ticks since boot; ``ledger`` comes last."""

    __test__ = False
    chain: str
    pid: int
    started: int
    rpc_url: str
    chain_id: int = 0
    ledger: str = ""
    block: int = 0  # of its creation

    @property
    def accounts(self) -> list[tuple[str, str]]:
        """Addresses and private keys, both as hex; everybody has them."""
        return [(to_hex(Signer(key).address), to_hex(key)) for key in public_keys(self.chain)]


def public_keys(chain: str) -> list[bytes]:
    Account.enable_unaudited_hdwallet_features()
    paths = (f"m/44'/60'/0'/0/{number}" for number in range(ACCOUNTS))
    return [bytes(Account.from_mnemonic(MNEMONICS[chain], account_path=path).key) for path in paths]


def state_folder() -> Path:
    """Of this user: ``HEARTH_TESTNET_DIR``, else where the XDG directory specification puts state."""
    if own := os.environ.get("HEARTH_TESTNET_DIR"):
        return Path(own)
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "hearth" / "testnet"


def up(folder: Path, chain: str, port: int | None) -> tuple[Testnet, bool]:
    """The chain that runs, and whether this call started it. Raises TestnetError.

    ``port`` None: 8545, or wherever it already is; 0 takes a free one.
    """
    with _locked(folder):
        running = read_state(folder)
        if running is not None:
            if running.chain != chain or (port and not running.rpc_url.endswith(f":{port}")):
                raise TestnetError(f"{running.chain} is up at {running.rpc_url}; take it down first")
            if running.ledger:
                return running, False
            _end(running)  # its start was interrupted
        number = _free(DEFAULT_PORT if port is None else port)
        try:
            with Guard() as guard:  # until it is ready, the chain ends with this process
                testnet = _furnish(_start(folder, chain, number, guard.environment), folder)
                guard.let_go()
        except BaseException:
            (folder / STATE_FILE).unlink(missing_ok=True)
            raise
        return testnet, True


def down(folder: Path) -> Testnet | None:
    """Stops the chain of this folder and returns it; None when none runs."""
    with _locked(folder):
        testnet = read_state(folder)
        if testnet is not None:
            _end(testnet)
        (folder / STATE_FILE).unlink(missing_ok=True)
        return testnet


def read_state(folder: Path) -> Testnet | None:
    """None when nothing runs, whatever a file from before says. Raises TestnetError for a file that is no state."""
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        testnet = Testnet(**parse_json(path.read_bytes()))
        alive = _start_of(testnet.pid) == testnet.started
    except (MalformedError, TypeError) as error:
        raise TestnetError(f"{path}: not a state file; remove it") from error
    return testnet if alive else None


def _start(folder: Path, chain: str, port: int, mark: Mapping[str, str]) -> Testnet:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(ensure_node() / "node"), *_arguments(chain, port)],
            cwd=folder,
            env={**os.environ, **mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    testnet = Testnet(chain, process.pid, _start_of(process.pid) or 0, f"http://127.0.0.1:{port}")
    _write(folder, testnet)
    return testnet


def _arguments(chain: str, port: int) -> list[str]:
    if chain == "anvil":
        shape = ["--host", "127.0.0.1", "--port", str(port), "--mnemonic", MNEMONICS[chain]]
        return [str(ensure_anvil()), *shape, "--accounts", str(ACCOUNTS)]
    shape = ["--server.host", "127.0.0.1", "--server.port", str(port), "--wallet.mnemonic", MNEMONICS[chain]]
    return [str(ensure_ganache()), *shape, "--wallet.totalAccounts", str(ACCOUNTS), "--chain.hardfork", "shanghai"]


def _furnish(testnet: Testnet, folder: Path) -> Testnet:
    """Waits until the chain answers, deploys, writes all of it down."""
    provider = JsonRpcProvider(testnet.rpc_url)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            provider.make_request("eth_chainId", [])
            break
        except LedgerError:
            if _start_of(testnet.pid) != testnet.started or time.monotonic() > deadline:
                raise TestnetError(f"{testnet.chain} did not start: see {folder / 'log'}") from None
            time.sleep(0.05)
    if testnet.chain == "anvil":
        provider.make_request("anvil_setLoggingEnabled", [False])  # else the log grows with every question
    chain_id = Node(provider).chain_id()
    provider.close()
    ledger, created = deploy(testnet.rpc_url, chain_id, Signer(public_keys(testnet.chain)[0]))
    testnet = replace(testnet, chain_id=chain_id, ledger=to_hex(ledger), block=created.block)
    _write(folder, testnet)
    return testnet


def _end(testnet: Testnet) -> None:
    """The process and what it started (anvil is a program behind a script): politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _start_of(testnet.pid) != testnet.started:
            return
        try:
            os.killpg(testnet.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and _start_of(testnet.pid) == testnet.started:
            time.sleep(0.02)
    if _start_of(testnet.pid) == testnet.started:
        raise TestnetError(f"process {testnet.pid} does not end")


def _start_of(pid: int) -> int | None:
    """Start of a process in clock ticks since boot; None when there is none, or only its exit code."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def _free(port: int) -> int:
    """The port itself, or a free one for 0. Raises TestnetError when something listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise TestnetError(f"port {port}: {error.strerror}") from error
        number: int = probe.getsockname()[1]
        return number


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One ``up`` or ``down`` at a time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(folder: Path, testnet: Testnet) -> None:
    write_file_atomically(folder / STATE_FILE, json.dumps(asdict(testnet), indent=1, sort_keys=True).encode(), 0o600)
