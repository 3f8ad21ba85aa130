"""The peers, each measured in a process of its own with the packages of its own environment.

A peer that cannot be installed or measured ends as a reason in words; whoever asked for it shows the reason.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.checks.locked_environment import ProgramMissingError, locked_environment, run

_ROOT: Final = Path(__file__).resolve().parents[2]
_RUN_SECONDS: Final = 900
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


def measure_peer(name: str, clients: int, dimension: int) -> dict[str, Any]:
    """The fields of a ``Measurement``, from a process of the peer's own. Raises ProgramMissingError."""
    peer = PEERS.get(name)
    if peer is None:
        raise ProgramMissingError(f"no such peer; known are {', '.join(PEERS)}")
    python = locked_environment(peer.environment)
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), "-P", "-c", _START, str(_ROOT), peer.module, str(clients), str(dimension)]
        lines = run("the measurement", command, _RUN_SECONDS, Path(folder)).splitlines()
    try:
        measured = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise ProgramMissingError("it printed no measurement") from None
    return dict(measured)
