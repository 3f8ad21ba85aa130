"""The chain of a crowd: anvil with blocks that take many enrolments, and a clock that is moved where nobody acts."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from protocol.domain import Domain
from protocol.errors import HearthError
from scripts.checks.node_tools import ensure_anvil
from scripts.guard import Guard
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.gas_limits import GasLimits
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer

GAS_LIMIT: Final = 2**30  # of a block, and so of a transaction
KEPT_STATES: Final = 64  # of past blocks: with 100,000 clients one has 35 MB, and anvil would keep 500
START_SECONDS: Final = 60.0
_LISTENING: Final = re.compile(r"^Listening on 127\.0\.0\.1:(\d+)\s*$", re.MULTILINE)


class ChainFailedError(HearthError):
    """Anvil does not start."""

    code = "E_CHAIN"


@dataclass(frozen=True, slots=True)
class CrowdChain:
    """``bank``: an account with money, whose key is public."""

    url: str
    domain: Domain
    bank: Signer
    node: JsonRpcProvider

    def ledger(self, signer: Signer) -> EthereumLedger:
        return EthereumLedger(self.url, self.domain, signer, limits=GasLimits(max_units=GAS_LIMIT), timeout_seconds=120)

    def pass_time(self, seconds: int) -> None:
        """The next block comes at once, and is so much later."""
        self.node.make_request("evm_increaseTime", [seconds])
        self.node.make_request("evm_mine", [])

    def last_block_hash(self) -> bytes:
        answer: Any = self.node.make_request("eth_getBlockByNumber", ["latest", False])["result"]
        return bytes.fromhex(answer["hash"][2:])

    def snapshot(self) -> str:
        """For :meth:`revert`, once."""
        return str(self.node.make_request("evm_snapshot", [])["result"])

    def revert(self, snapshot: str) -> None:
        self.node.make_request("evm_revert", [snapshot])


@contextmanager
def crowd_chain() -> Iterator[CrowdChain]:
    """With the contracts on it; it ends with the block, or with this process. Raises ChainFailedError."""
    with Guard() as guard:
        log = guard.temporary_folder() / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    str(ensure_anvil()), "--host", "127.0.0.1", "--port", "0", "--gas-limit", str(GAS_LIMIT),
                    "--prune-history", str(KEPT_STATES),
                ],
                cwd=log.parent,
                env={**os.environ, **guard.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        url = _url(process, log)
        node, bank = JsonRpcProvider(url, timeout_seconds=120), Signer(FUNDED_KEY)
        node.make_request("anvil_setLoggingEnabled", [False])  # else the log grows with every question
        answer: Any = node.make_request("eth_chainId", [])["result"]
        chain_id = int(answer, 16)
        try:
            yield CrowdChain(url, Domain(chain_id, deploy(url, chain_id, bank)[0]), bank, node)
        finally:
            node.close()
    process.wait()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Anvil says on its output which free port it took."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := _LISTENING.search(log.read_text(errors="replace")):
            return f"http://127.0.0.1:{found[1]}"
        time.sleep(0.02)
    raise ChainFailedError(f"anvil did not start: {log.read_text(errors='replace')[-500:]}")
