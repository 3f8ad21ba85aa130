"""What a crowd's run took: seconds of each phase, memory, the model, the audit's verdict, and what was left out."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

NOT_AS_ON_PHONES: Final = (
    (
        "trained together: gradients, sampling, noise and rounding of all phones, in one step over arrays of many at a"
        " time; bit for bit what each would send by itself"
    ),
    "in one process: the keys, data and noise of all phones",
    "checked once for all phones: what is the same for all of a round's plan, the server's word for it and its cohort",
    (
        "left out of a phone: consent, policy, privacy ledger, its own figures, its journal; it waits for no instant,"
        " the chain's clock is moved on; nobody claims"
    ),
    (
        "left out between them: HTTP; phones call the server's desk, and the server the authorities' services; records"
        " are in memory; enrolments go to the ledger by one account, more in a transaction than a server relays;"
        " authorities take enrolments from the events that they follow"
    ),
)


@dataclass
class Stopwatch:
    """Seconds that passed, and those of this process's processors, by phase."""

    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started, begun = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started
            self.processor[name] = self.processor.get(name, 0.0) + time.process_time() - begun

    def as_json(self) -> dict[str, Any]:
        return {"seconds": _rounded(self.seconds), "processor_seconds": _rounded(self.processor)}


@dataclass
class CrowdReport:
    """``sent``: coordinates of each update; ``gas``: of all enrolments; ``model``: the digest of the last one."""

    clients: int
    rounds: int
    parameters: int
    sent: int = 0
    enrolment: Stopwatch = field(default_factory=Stopwatch)
    played: list[Stopwatch] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    model: str = ""
    gas: int = 0
    auditing: Stopwatch = field(default_factory=Stopwatch)
    audit: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.audit.get("verdict") == "PASS"

    def as_json(self) -> dict[str, Any]:
        return {
            "clients": self.clients,
            "rounds": self.rounds,
            "parameters": self.parameters,
            "sent_each_round": self.sent,
            "enrolment": {**self.enrolment.as_json(), "gas": self.gas},
            "each_round": [stopwatch.as_json() for stopwatch in self.played],
            "accuracy": self.accuracy,
            "model": self.model,
            "audit": {**self.audit, **self.auditing.as_json()},
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "load_average": [round(load, 1) for load in os.getloadavg()],
            "not_as_on_phones": list(NOT_AS_ON_PHONES),
        }


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {**{name: round(value, 2) for name, value in seconds.items()}, "total": round(sum(seconds.values()), 2)}
