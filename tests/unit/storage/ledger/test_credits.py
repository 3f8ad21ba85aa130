"""What a task owes to this account is asked for when there is something, and only then."""

from __future__ import annotations

from typing import cast
from unittest.mock import Mock

from storage.ledger.credits import collect
from storage.ledger.interface import Ledger

OWN = b"\x07" * 20


def test_what_is_owed_comes_to_the_account_itself() -> None:
    ledger = Mock(sender=OWN, credit=Mock(return_value=250))
    assert collect(cast(Ledger, ledger), 3) == 250
    ledger.credit.assert_called_once_with(3, OWN)
    ledger.withdraw.assert_called_once_with(3, OWN, OWN)


def test_nothing_is_sent_for_nothing() -> None:
    ledger = Mock(sender=OWN, credit=Mock(return_value=0))
    assert collect(cast(Ledger, ledger), 3) == 0
    ledger.withdraw.assert_not_called()
