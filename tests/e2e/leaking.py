"""Starts ``hearth`` with a phone that leaks: ``leaking.py HOW ARGUMENTS...``. The secrecy tests must notice each.

``update``: the clear update travels in a query string. ``key``: a master key lands in the log. ``count``: the
submission is padded by the sample count.
"""

from __future__ import annotations

import base64
import sys
from typing import Any

from client_agent import participation
from client_agent.agent import Agent
from client_agent.edge_client import EdgeClient
from client_agent.membership import Membership
from client_agent.sent_requests import Asked
from client_agent.training.trainers import HouseholdTrainer
from scripts.cli import main


def leak_update() -> None:
    encrypt = vars(participation)["encrypt_update"]

    def leaking(scheme: Any, values: Any, *arguments: Any) -> Any:
        clear = base64.urlsafe_b64encode(values.astype("<i4").tobytes()).decode()
        Agent.leaked = clear[:400]  # type: ignore[attr-defined]
        return encrypt(scheme, values, *arguments)

    vars(participation)["encrypt_update"] = leaking
    _pad_submissions(lambda agent_class: f"?telemetry={agent_class.leaked}")


def leak_key() -> None:
    step = Membership.step

    def leaking(self: Membership, spec: Any, now: int) -> float | None:
        deadline = step(self, spec, now)
        if deadline is not None:
            return deadline
        key = next(iter(self.journal.keys_of(0).values())).hex()
        self.edge._ask(Asked.STATEMENT, "GET", f"/healthz?debug={key}", None, lambda _: None)
        return None

    Membership.step = leaking  # type: ignore[method-assign]


def leak_count() -> None:
    check = HouseholdTrainer.check

    def counting(self: HouseholdTrainer) -> int:
        count = check(self)
        Agent.leaked = "x" * count  # type: ignore[attr-defined]
        return count

    HouseholdTrainer.check = counting  # type: ignore[method-assign]
    _pad_submissions(lambda agent_class: f"?version={agent_class.leaked}")


def _pad_submissions(suffix: Any) -> None:
    ask = EdgeClient._ask

    def padded(self: EdgeClient, kind: Asked, method: str, path: str, *rest: Any, **named: Any) -> Any:
        return ask(self, kind, method, path + suffix(Agent) if path.endswith("/commitments") else path, *rest, **named)

    EdgeClient._ask = padded  # type: ignore[method-assign]


if __name__ == "__main__":
    {"update": leak_update, "key": leak_key, "count": leak_count}[sys.argv[1]]()
    sys.argv = ["hearth", *sys.argv[2:]]
    main()
