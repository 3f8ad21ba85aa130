"""What one phone's part in a round costs it, by the number of clients that are enrolled with it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from client_agent.training.gradients import prepare
from scripts.bench.phone_world import Cost, PhoneWorld, Tell
from scripts.crowd.chain import crowd_chain
from scripts.crowd.run import errors_alone

MOST_TIMES: Final = 1.5  # the cost in the smallest task
ROUNDS: Final = 4


def run(enrolled: Sequence[int], tell: Tell) -> dict[str, Any]:
    """``enrolled``: ascending; the first is what the others are compared with. Raises HearthError."""
    prepare()
    costs = {clients: _cost(clients, tell) for clients in enrolled}
    least = costs[enrolled[0]]
    return {
        "rounds": ROUNDS,
        "phones": [
            {
                "enrolled": clients,
                "bytes": cost.size,
                "ways": dict(cost.ways),
                "processor_seconds": round(cost.processor_seconds, 4),
                "bytes_times": round(cost.size / least.size, 2),
                "processor_times": round(cost.processor_seconds / least.processor_seconds, 2),
            }
            for clients, cost in costs.items()
        ],
        "most_times": MOST_TIMES,
    }


def is_flat(result: dict[str, Any]) -> bool:
    """No task costs a phone more than MOST_TIMES what the smallest does."""
    times = (phone[what] for phone in result["phones"] for what in ("bytes_times", "processor_times"))
    return all(float(one) <= MOST_TIMES for one in times)


def _cost(enrolled: int, tell: Tell) -> Cost:
    def tell_of(what: str) -> None:
        tell(f"{enrolled} enrolled: {what}")

    with (
        crowd_chain() as chain,
        tempfile.TemporaryDirectory() as folder,
        errors_alone(),
        closing(PhoneWorld(chain, enrolled, Path(folder), tell_of)) as world,
    ):
        return world.play(ROUNDS)
