"""The peers' environments: made on demand from hashed locks, beside this interpreter's packages and never among them.

A peer that cannot be installed or measured ends as a reason in words; whoever asked for it shows the reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PACKAGE = Path(__file__).resolve().parents[1]
_LOCKS: Final = _PACKAGE / "locks"
_INSTALL_SECONDS: Final = 900
_RUN_SECONDS: Final = 900
_MAX_REASON: Final = 200
# The peer's own packages come first, and the folder with Hearth's packages last: there it finds scripts.bench alone.
_START: Final = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module('scripts.bench.peers.measurement', run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True)
class Peer:
    """``environment`` names a lock of ``scripts/locks`` and the folder made from it; ``module`` is in ``peers/``."""

    title: str
    module: str
    environment: str


PEERS: Final[Mapping[str, Peer]] = {
    "tenseal": Peer("TenSEAL CKKS as NVFlare provisions it", "tenseal_ckks", "peers"),
    "flower": Peer("Flower SecAgg+", "flower_secagg", "flower"),
    "pymife": Peer("PyMIFE multi-client DDH", "pymife_ddh", "peers"),
    "phe": Peer("Paillier (phe on gmpy2)", "paillier", "peers"),
}


class PeerMissingError(Exception):
    """A peer could not be installed or did not finish; the message says why."""


def measure_peer(name: str, clients: int, dimension: int) -> dict[str, Any]:
    """The fields of a ``Measurement``, from a process of the peer's own. Raises PeerMissingError."""
    peer = PEERS.get(name)
    if peer is None:
        raise PeerMissingError(f"no such peer; known are {', '.join(PEERS)}")
    python = _environment(peer.environment)
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), "-P", "-c", _START, str(_PACKAGE.parent), peer.module, str(clients), str(dimension)]
        lines = _run("the measurement", command, _RUN_SECONDS, Path(folder)).splitlines()
    try:
        measured = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise PeerMissingError("it printed no measurement") from None
    return dict(measured)


def _environment(name: str) -> Path:
    """The interpreter of an environment that holds exactly what the lock says."""
    folder, lock = Path(sys.prefix) / name, _LOCKS / f"{name}.txt"
    python, stamp = folder / "bin" / "python", folder / ".lock"
    wanted = f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version}"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing the peers' environment {name}", file=sys.stderr)
    _run("venv", [sys.executable, "-m", "venv", "--clear", str(folder)], _INSTALL_SECONDS)
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement", str(lock)]
    _run("the installation", [str(python), "-m", "pip", "install", *options], _INSTALL_SECONDS)
    stamp.write_text(wanted)
    return python


def _run(what: str, command: Sequence[str], seconds: int, folder: Path | None = None) -> str:
    """Standard output of a command. Raises PeerMissingError with the last line of its errors."""
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    surroundings |= {"FLWR_TELEMETRY_ENABLED": "0"} | ({"HOME": str(folder)} if folder else {})
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=surroundings, cwd=folder, check=False
        )
    except subprocess.TimeoutExpired:
        raise PeerMissingError(f"{what} took longer than {seconds} s") from None
    except OSError as error:
        raise PeerMissingError(f"{what} could not start: {error.strerror}") from None
    if done.returncode != 0:
        raise PeerMissingError(f"{what} failed: {reason_of(done.stderr) or f'exit code {done.returncode}'}")
    return done.stdout


def reason_of(errors: str) -> str:
    """The last line of a program's errors without addresses and paths: it is published."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("ERROR")] or lines
    return re.sub(r"\S*(://|/)\S*", "…", told[-1])[:_MAX_REASON] if told else ""
