"""The chain of a demonstration: the in-process one or anvil as a role of its own, or a node that already runs."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

from protocol.errors import HearthError
from protocol.identifiers import Digest
from scripts.demonstration.processes import RoleFailedError, RoleProcess, Stage
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.rpc import JsonRpcProvider, checked_url
from storage.ledger.interface import LedgerError
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer

START_SECONDS: Final = 30.0
_LISTENING: Final = re.compile(r"^Listening on 127\.0\.0\.1:(\d+)\s*$", re.MULTILINE)


class ChainChoiceError(HearthError):
    """``--chain`` names no chain that can be used."""

    code = "E_CHAIN"


def start_chain(
    stage: Stage, folder: Path, chain: str, keystore: Path | None, password_file: Path | None, idle_seconds: int = 0
) -> tuple[str, Signer]:
    """RPC URL and the account that pays for everything. ``chain`` is ``memory``, ``anvil`` or an http(s) URL.

    ``memory`` and ``anvil`` start with a public development key that has money; a URL needs the keystore of a funded
    account. ``idle_seconds``: after so long without a transaction our own chains have an empty block; 0: never.
    Raises ChainChoiceError, KeystoreError, PublicKeyError, RoleFailedError.
    """
    if chain == "memory":
        ready = folder / "ready"
        idle = ["--idle-seconds", str(idle_seconds)]
        role = stage.start("chain", ["serve", "chain", "--port", "0", "--ready-file", str(ready), *idle], folder)
        return role.ready(ready), Signer(FUNDED_KEY)
    if chain == "anvil":
        from scripts.checks.node_tools import ensure_anvil  # needs Node, which nothing else here does

        idle = ["--mixed-mining", "--block-time", str(idle_seconds)] if idle_seconds else []
        role = stage.start("chain", ["--port", "0", "--host", "127.0.0.1", *idle], folder, [str(ensure_anvil())])
        url = _anvil_url(role, folder / "log")
        quiet = JsonRpcProvider(url)
        quiet.make_request("anvil_setLoggingEnabled", [False])  # else every poll of a phone is logged
        quiet.close()
        return url, Signer(FUNDED_KEY)
    if not chain.startswith(("http://", "https://")):
        raise ChainChoiceError(f"--chain is memory, anvil or an http(s) URL, not {chain[:100]!r}")
    if keystore is None or password_file is None:
        raise ChainChoiceError("a chain by URL needs --keystore and --password-file of a funded account")
    faucet = Signer.from_keystore(keystore, password_file)
    faucet.require_private(checked_url(chain))
    return chain, faucet


def chain_id_of(rpc_url: str) -> int:
    """What one of our own chains calls itself; of a stranger's the operator says it."""
    provider = JsonRpcProvider(rpc_url)
    try:
        return Node(provider).chain_id()
    finally:
        provider.close()


def last_block_of(rpc_url: str) -> Digest:
    """Its hash. Raises LedgerError."""
    provider = JsonRpcProvider(rpc_url)
    try:
        last = Node(provider).block("latest")
    finally:
        provider.close()
    if last is None:
        raise LedgerError("the chain has no last block")
    return last.hash


def _anvil_url(role: RoleProcess, log: Path) -> str:
    """Anvil says on its output which free port it took."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := _LISTENING.search(log.read_text(errors="replace")):
            return f"http://127.0.0.1:{found[1]}"
        if role.process.poll() is not None:
            break
        time.sleep(0.02)
    raise RoleFailedError(f"anvil did not start: {role.last_words()}")
