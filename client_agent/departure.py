"""Leaving a task: no later round will plan this client; what is on chain stays."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.place import EnrolmentOverError
from protocol.identifiers import to_hex
from protocol.messages.submission import Leave, SignedLeave
from storage.ledger.interface import Ledger
from storage.ledger.signer import Signer

log = structlog.get_logger()
RELAY_PATIENCE = 20  # looks at the chain before this account pays for it itself
LOOK_SECONDS = 0.5


def leave_task(
    task: int, signer: Signer, ledger: Ledger, edge: EdgeClient, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """True when the edge server relayed it, False when this account had to send it. Raises when neither works.

    Raises EnrolmentOverError ``E_UNKNOWN_CLIENT`` for an account that is not in the task.
    """
    if not any(ledger.enrolment(task, signer.address).envelope):
        message = f"account {to_hex(signer.address)} is not enrolled in task {task}, so it has nothing to leave"
        raise EnrolmentOverError(message, code="E_UNKNOWN_CLIENT")
    leave = Leave(task, signer.address)
    signed = SignedLeave(leave, signer.sign(ledger.domain, leave))
    for attempt in range(RELAY_PATIENCE):
        if ledger.enrolment(task, signer.address).left:
            return True
        if attempt % 5 == 0:
            try:
                edge.leave(signed)
            except (EdgeUnavailableError, EdgeRefusedError) as error:
                log.info("edge server did not take it", error=str(error))
        sleep(LOOK_SECONDS)
    ledger.leave(signed)
    return False
