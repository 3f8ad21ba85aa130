"""What it costs one owner to appear as many: time, and gas by the committed snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from protocol.messages.chain import LedgerRules

TASK_PLACES: Final = 10_000  # of one round, by the contract
SECONDS_PER_DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Price:
    """Of addresses that the ledger knows with ``reputation``: what passed and what was spent since there were none."""

    reputation: int
    days: float
    gas: int


def prices(accounts: int, rules: LedgerRules, snapshot: dict[str, Any]) -> list[Price]:
    """By reputation, from the floor to the maximum, in tasks of the owner's own, whose escrow comes back to it.

    The floor takes one task: an enrolment and a claim of each address. Each further one takes a waiting period, a round
    and a claim of each. ``snapshot``: of ``hearth bench gas`` with a thousand clients.
    """
    tasks = -(-accounts // TASK_PLACES)
    a_round = sum(snapshot["round"].values())
    entry = (snapshot["per_update_all_in"]["1000"] - snapshot["per_update"]["1000"]) * snapshot["rounds"]
    gas = tasks * (snapshot["functions"]["postTask"]["later"] + a_round) + accounts * entry
    found = []
    for gained, reputation in enumerate(range(rules.floor, rules.maximum + 1)):
        found.append(Price(reputation, gained * rules.waiting_seconds / SECONDS_PER_DAY, round(gas)))
        gas += tasks * a_round + accounts * snapshot["claims"]["batched_existing_each"]
    return found
