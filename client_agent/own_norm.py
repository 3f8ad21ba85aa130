"""The bound of a screened task on the length of an update, held by the phone itself before anybody measures it.

Whatever is asked or changed here is a function of an update that carries its noise already, or of noise alone: it costs
no privacy, and a phone need not fall silent because of what its data are.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

from protocol.errors import EncryptionError
from protocol.messages.screening_terms import ScreeningTerms
from protocol.round.update import Update
from protocol.screening.norms import check_own_norm


def too_long(update: Update, terms: ScreeningTerms) -> EncryptionError | None:
    """``E_NORM`` for one that screening could reject; None for any other, and in a task that is not screened."""
    if not terms.on:
        return None
    try:
        check_own_norm(update.values, terms.norm_bound)
    except EncryptionError as error:
        return error
    return None


def shortened(update: Update, terms: ScreeningTerms) -> Update:
    """Of noise alone: the same where it fits, else in the same direction and as long as the bound allows."""
    if too_long(update, terms) is None:
        return update
    length = isqrt(int(update.values @ update.values)) + 1
    shorter = update.values * (98 * terms.norm_bound) / (100 * length)
    return replace(update, values=shorter.astype("int64"))  # toward zero
