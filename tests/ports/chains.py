"""Development chains for tests: one process of each kind per session, a fresh deployment for whoever asks."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
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
from scripts.guard import Guard
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.interface import LedgerError
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer
from storage.patience import Patience
from tests.ports.unfriendly_rpc import UnfriendlyRpc, at, unfriendly

KINDS: Final = ("memory", "anvil", "ganache")
UNFRIENDLY: Final = "unfriendly"
START_SECONDS: Final = 60.0
HASTE: Final = Patience(sleep=lambda _: None)
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


class UnfriendlyChain(RunningChain):
    """The in-process chain as parties reach it through a bad endpoint; its operator goes past that."""

    def deploy(self) -> Address:
        return deploy(_public_url(), self.chain_id(), self.faucet)[0]

    def ledger(self, address: Address, signer: Signer, **options: Any) -> EthereumLedger:
        return EthereumLedger(_public_url(), Domain(self.chain_id(), address), signer, patience=HASTE, **options)


@cache
def _public_url() -> str:
    """Its nodes do not lag: the suite reads what it has just written."""
    rpc = UnfriendlyRpc(at(running_chain("memory").rpc_url), range_limit=None, lags=False)
    return _PROCESSES.enter_context(unfriendly(rpc))


@cache
def running_chain(kind: str, *options: str) -> RunningChain:
    """Starts the chain at the first call of the session; it ends with the process. ``legacy``: before EIP-1559.

    With ``options`` for its command line it is a process of its own.
    """
    if kind == UNFRIENDLY:
        return UnfriendlyChain(kind, running_chain("memory").rpc_url, Signer(FUNDED_KEY))
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
    with Guard() as guard:
        log, surroundings = guard.temporary_folder() / "log", {**os.environ, **guard.environment}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=log.parent, env=surroundings, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        _await_answer(process, url, log)
        yield
    process.wait()


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
