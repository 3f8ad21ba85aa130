"""The phone's last word before it trains: a spent budget is a refusal."""

from __future__ import annotations

from protocol.errors import BudgetSpentError, Party
from protocol.messages.task import MICRO, MechanismTerms, PrivacyTerms
from protocol.privacy.renyi import epsilon_micro


def check_budget(privacy: PrivacyTerms, mechanism: MechanismTerms, rounds_charged: int) -> None:
    """Raises BudgetSpentError when one more round than ``rounds_charged`` would cost more than the budget."""
    after = epsilon_micro(mechanism, rounds_charged + 1, privacy.delta_exponent)
    if after > privacy.epsilon_budget_micro:
        spent = epsilon_micro(mechanism, rounds_charged, privacy.delta_exponent)
        budget = privacy.epsilon_budget_micro / MICRO
        raise BudgetSpentError(
            f"{rounds_charged} rounds have spent epsilon {spent / MICRO:.4f} of {budget:.4f};"
            f" one more would make it {after / MICRO:.4f}",
            fault=Party.EDGE_SERVER,
        )
