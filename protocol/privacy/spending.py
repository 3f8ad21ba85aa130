"""What rounds cost in privacy: the one place from which every figure of privacy comes."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Final

from protocol.errors import MalformedError, Party
from protocol.messages.charge import Charge
from protocol.messages.task import MICRO, MechanismTerms, PrivacyTerms
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.port import Accountant
from protocol.privacy.renyi import Renyi

ROUNDING_MICRO: Final = 100  # figures go up to the next multiple: the last bits of a machine's logarithm do not show

CLASSICAL: Final = PrivacyLoss()  # what a household adds up its tasks by
ACCOUNTANTS: Final[dict[str, Accountant]] = {accountant.name: accountant for accountant in (CLASSICAL, Renyi())}


def accountant(name: str) -> Accountant:
    """The accountant of that name. Raises MalformedError for an unknown one."""
    try:
        return ACCOUNTANTS[name]
    except KeyError:
        raise MalformedError(f"unknown privacy accountant {name!r}", fault=Party.MANUFACTURER) from None


def spent(mechanism: MechanismTerms, privacy: PrivacyTerms, rounds: int) -> Charge:
    """The charge of ``rounds`` rounds together, by the task's accountant; with one round more, what it would become.

    Raises NoPrivacyError for a mechanism without noise, MalformedError for an accountant that there is not.
    """
    chosen, delta_exponent = accountant(privacy.accountant), privacy.delta_exponent
    epsilon_micro = composed({mechanism: rounds}, delta_exponent, chosen)
    return Charge(mechanism, rounds, epsilon_micro, delta_exponent, chosen.name, chosen.assumptions)


def composed(rounds: Mapping[MechanismTerms, int], delta_exponent: int, chosen: Accountant = CLASSICAL) -> int:
    """Epsilon in millionths, rounded up, of rounds of several mechanisms on the same data. Raises NoPrivacyError."""
    releases = {mechanism: count * mechanism.local_steps for mechanism, count in rounds.items()}
    units = chosen.epsilon(releases, delta_exponent) * MICRO / ROUNDING_MICRO
    return ceil(units * (1.0 + 1e-12)) * ROUNDING_MICRO
