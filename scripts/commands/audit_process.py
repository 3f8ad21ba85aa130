"""An audit as a process of its own, for an edge server that is asked for one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from protocol.domain import Domain
from protocol.errors import HearthError
from scripts.guard import Guard
from scripts.launcher import hearth_command
from storage.bounded_file import read_bounded
from storage.durable_file import write_file_atomically
from storage.ledger.ethereum.replay import MAX_EVIDENCE_BYTES

SECONDS: Final = 1_800
MAX_RESULT_BYTES: Final = 256 * 1024 * 1024
NICER: Final = 10  # than the server, whose rounds have deadlines


_log = structlog.get_logger()


class AuditRunError(HearthError):
    """An audit gave no verdict."""

    code = "E_AUDIT_RUN"


def auditing(
    rpc_url: str, ledger: Domain, store: str, seconds: float = SECONDS, *, others: Sequence[str] = ()
) -> Callable[[int, Path], bytes]:
    """Of a task: what ``hearth audit --json`` wrote; at the path is then what it stands on, unless that is too much.

    ``others``: endpoints that have to agree with the first one about a block; without them nobody vouches for it.
    URLs go by the environment: others see a process's arguments.
    """

    def run(task: int, evidence: Path) -> bytes:
        with Guard() as guard:
            folder = guard.temporary_folder()
            result, saved = folder / "audit.json", folder / "evidence.json"
            surroundings = {
                **os.environ,
                **guard.environment,
                "TMPDIR": str(folder),
                "HEARTH_RPC_URL": rpc_url,
                "HEARTH_LEDGER": str(ledger),
                "HEARTH_STORE": store,
                **({"HEARTH_OTHER_RPC_URL": " ".join(others)} if others else {}),
            }
            command = [*hearth_command(), "audit", "--task", str(task), "--json", str(result)]
            command += ["--save-evidence", str(saved)]
            with subprocess.Popen(
                command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                os.setpriority(os.PRIO_PROCESS, process.pid, NICER)
                try:
                    code = process.wait(seconds)
                except subprocess.TimeoutExpired as error:
                    process.kill()
                    raise AuditRunError(f"the audit took longer than {seconds:.0f} s") from error
            try:
                told = read_bounded(result, MAX_RESULT_BYTES)
            except OSError as error:
                raise AuditRunError(f"the audit ended with {code} and wrote nothing") from error
            _keep(saved, evidence)
            return told

    return run


def _keep(saved: Path, evidence: Path) -> None:
    """The verdict stands without it, so a disk that is full costs no audit."""
    try:
        write_file_atomically(evidence, read_bounded(saved, MAX_EVIDENCE_BYTES), 0o644)
    except (OSError, HearthError) as error:
        _log.warning("no evidence of an audit is kept", error=str(error))
