"""Development chains for tests: one process of each kind per session, a fresh deployment for whoever asks."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from protocol.domain import Domain
from protocol.identifiers import Address
from scripts.chain.server import chain_in_background
from scripts.checks.node_tools import ensure_anvil, ensure_ganache
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.interface import LedgerError
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer

KINDS: Final = ("memory", "anvil", "ganache")
START_SECONDS: Final = 60.0
_PROCESSES = ExitStack()
atexit.register(_PROCESSES.close)


@dataclass(frozen=True)
class RunningChain:
    """A chain with one funded, public account; its clock can be moved, for everybody on it and only forward."""

    kind: str
    rpc_url: str
    faucet: Signer

    def deploy(self) -> Address:
        return deploy(self.rpc_url, self.chain_id(), self.faucet)[0]

    def ledger(self, address: Address, signer: Signer, **options: Any) -> EthereumLedger:
        return EthereumLedger(self.rpc_url, Domain(self.chain_id(), address), signer, **options)

    def fund(self, ledger: Address, address: Address, amount_wei: int = 10**18) -> None:
        bank = self.ledger(ledger, self.faucet)
        bank.transfer(address, amount_wei)
        bank.close()

    def pass_time(self, seconds: int) -> None:
        """All later blocks are ``seconds`` later, the next one comes at once."""
        self.ask("evm_increaseTime", seconds)
        self.mine()

    def mine(self, blocks: int = 1) -> None:
        """Empty blocks."""
        provider = JsonRpcProvider(self.rpc_url, timeout_seconds=30)
        try:
            for _ in range(blocks):
                provider.make_request("evm_mine", [])
        finally:
            provider.close()

    def snapshot(self) -> Any:
        return self.ask("evm_snapshot")

    def revert(self, snapshot: Any) -> None:
        """A reorganisation: back to the snapshot, once."""
        self.ask("evm_revert", snapshot)

    def chain_id(self) -> int:
        return int(self.ask("eth_chainId"), 16)

    def sent(self, address: Address) -> int:
        """How many transactions of this account were mined."""
        return int(self.ask("eth_getTransactionCount", "0x" + address.hex(), "latest"), 16)

    @contextmanager
    def mining_held(self) -> Iterator[None]:
        """Transactions wait until ``evm_mine``; not on the in-process chain, which mines each as it comes."""
        anvil = self.kind == "anvil"
        self.ask("evm_setAutomine", False) if anvil else self.ask("miner_stop")
        try:
            yield
        finally:
            self.ask("evm_setAutomine", True) if anvil else self.ask("miner_start")

    def ask(self, method: str, *parameters: Any) -> Any:
        provider = JsonRpcProvider(self.rpc_url, timeout_seconds=30)
        try:
            return provider.make_request(method, list(parameters))["result"]
        finally:
            provider.close()


@cache
def running_chain(kind: str, *options: str) -> RunningChain:
    """Starts the chain at the first call of the session; it ends with the process. ``legacy``: before EIP-1559.

    With ``options`` for its command line it is a process of its own.
    """
    if kind == "memory":
        url = _PROCESSES.enter_context(chain_in_background())
    else:
        port = _free_port()
        command = _ganache(port) if kind == "ganache" else [str(ensure_anvil()), "--port", str(port)]
        if kind == "legacy":  # the last fork without a base fee
            command += ["--hardfork", "berlin"]
        command += options
        url = f"http://127.0.0.1:{port}"
        _PROCESSES.enter_context(_process(command, url))
    return RunningChain(kind, url, Signer(FUNDED_KEY))


def _ganache(port: int) -> list[str]:
    account = f"0x{FUNDED_KEY.hex()},{hex(10**26)}"
    return [
        str(ensure_ganache()), "--server.port", str(port), "--server.host", "127.0.0.1",
        "--wallet.accounts", account, "--chain.hardfork", "shanghai", "--logging.quiet",
    ]  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _process(command: list[str], url: str) -> Iterator[None]:
    folder = Path(tempfile.mkdtemp(prefix="hearth-chain-"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await_answer(process, url, folder / "log")
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await_answer(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    provider = JsonRpcProvider(url)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            provider.make_request("eth_chainId", [])
            provider.close()
            return
        except LedgerError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the chain did not start:\n{log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.05)
