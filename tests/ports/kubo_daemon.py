"""A real Kubo daemon on a private, offline repository in a temporary folder, if this machine has one."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

from protocol.content.cid import Cid
from scripts.guard import Guard


def find_ipfs() -> str | None:
    """The ``ipfs`` program: ``HEARTH_IPFS``, else the one on PATH, else None."""
    return os.environ.get("HEARTH_IPFS") or shutil.which("ipfs")


class KuboDaemon:
    """Context manager; ``url`` is the RPC multiaddr. The test profile listens on loopback and knows no peers."""

    def __init__(self, program: str, folder: Path) -> None:
        self._repository = folder / "ipfs"
        self._program = program
        self._guard = Guard()
        self._environment = {**os.environ, "IPFS_PATH": str(self._repository), **self._guard.environment}

    def __enter__(self) -> KuboDaemon:
        self._guard.__enter__()
        self._run("init", "-e", "--profile=test")
        self._process = subprocess.Popen(
            [self._program, "daemon", "--offline"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        if not any(b"Daemon is ready" in line for line in self._process.stdout):
            raise RuntimeError(f"{self._program} did not become ready")
        self.url = (self._repository / "api").read_text().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()
        self._guard.__exit__(None, None, None)

    def lose(self, cid: Cid) -> None:
        self._file(cid).unlink()

    def flip_bit(self, cid: Cid) -> None:
        path = self._file(cid)
        block = bytearray(path.read_bytes())
        block[len(block) // 2] ^= 1
        path.chmod(0o600)
        path.write_bytes(block)

    def _file(self, cid: Cid) -> Path:
        """The daemon's default datastore: base32 of the multihash, in a folder of its two letters before the last."""
        key = base64.b32encode(cid.binary[2:]).decode().rstrip("=")
        return self._repository / "blocks" / key[-3:-1] / f"{key}.data"

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._program, *arguments], env=self._environment, check=True, capture_output=True)
