"""Why an edge server does not take what a phone brings."""

from __future__ import annotations

from protocol.errors import HearthError


class DeskError(HearthError):
    """A request that cannot be taken.

    ``E_FULL``, ``E_STAKE``, ``E_ROUND``, ``E_NOT_INCLUDED``, ``E_SUBMITTED``, ``E_STARTING``, ``E_KEYS_AWAITED``,
    ``E_STANDBY`` for what only the acting edge server may take, and ``E_LABEL_USED`` where this server has signed
    something else.
    """

    code = "E_DESK"
