"""The phone's last word before it trains: a spent budget is a refusal."""

from __future__ import annotations

from protocol.errors import BudgetSpentError, Party
from protocol.messages.charge import Charge
from protocol.messages.task import MICRO, MechanismTerms, PrivacyTerms
from protocol.privacy.spending import spent


def charge_next(mechanism: MechanismTerms, privacy: PrivacyTerms, rounds_charged: int) -> Charge:
    """What all rounds have spent once one more than ``rounds_charged`` counts.

    Raises BudgetSpentError when that is more than the budget.
    """
    after = spent(mechanism, privacy, rounds_charged + 1)
    if after.epsilon_micro > privacy.epsilon_budget_micro:
        before = spent(mechanism, privacy, rounds_charged)
        raise BudgetSpentError(
            f"{rounds_charged} rounds have spent epsilon {before.epsilon:.4f} of"
            f" {privacy.epsilon_budget_micro / MICRO:.4f}; one more would make it {after.epsilon:.4f}",
            fault=Party.EDGE_SERVER,
        )
    return after
