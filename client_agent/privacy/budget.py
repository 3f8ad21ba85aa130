"""The phone's last word before it trains: a spent budget is a refusal."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.errors import BudgetSpentError, Party
from protocol.messages.charge import Charge
from protocol.messages.learning import MICRO, LearningTerms, MechanismTerms
from protocol.messages.task import PrivacyTerms
from protocol.privacy.spending import spent

Rounds = Mapping[MechanismTerms, int]


def charge_next(before: Rounds, after: Rounds, learning: LearningTerms, privacy: PrivacyTerms) -> Charge:
    """What all rounds have spent once one more than ``before`` is charged, which makes them those of ``after``.

    Raises BudgetSpentError when that is more than the budget.
    """
    then = spent(after, learning, privacy)
    if then.epsilon_micro > privacy.epsilon_budget_micro:
        so_far = spent(before, learning, privacy).figure.decimal if before else "0"
        raise BudgetSpentError(
            f"{sum(before.values())} rounds have spent epsilon {so_far} of {privacy.epsilon_budget_micro / MICRO:.4f};"
            f" one more would make it {then.figure}",
            fault=Party.EDGE_SERVER,
        )
    return then
