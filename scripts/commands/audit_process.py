"""An audit as a process of its own, for an edge server that is asked for one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Final

from protocol.domain import Domain
from protocol.errors import HearthError
from scripts.guard import Guard
from scripts.launcher import hearth_command
from storage.bounded_file import read_bounded

SECONDS: Final = 1_800
MAX_RESULT_BYTES: Final = 256 * 1024 * 1024
NICER: Final = 10  # than the server, whose rounds have deadlines


class AuditRunError(HearthError):
    """An audit gave no verdict."""

    code = "E_AUDIT_RUN"


def auditing(rpc_url: str, ledger: Domain, store: str, seconds: float = SECONDS) -> Callable[[int], bytes]:
    """Of a task: what ``hearth audit --json`` wrote. URLs go by the environment: others see a process's arguments."""

    def run(task: int) -> bytes:
        with Guard() as guard:
            folder = guard.temporary_folder()
            result = folder / "audit.json"
            surroundings = {
                **os.environ,
                **guard.environment,
                "TMPDIR": str(folder),
                "HEARTH_RPC_URL": rpc_url,
                "HEARTH_LEDGER": str(ledger),
                "HEARTH_STORE": store,
            }
            command = [*hearth_command(), "audit", "--task", str(task), "--json", str(result)]
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
                return read_bounded(result, MAX_RESULT_BYTES)
            except OSError as error:
                raise AuditRunError(f"the audit ended with {code} and wrote nothing") from error

    return run
