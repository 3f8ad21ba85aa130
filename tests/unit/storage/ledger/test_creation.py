"""The address of a contract that was created follows from account and nonce, whatever the node's receipt says."""

from __future__ import annotations

import pytest

from protocol.deployment import created_address
from protocol.identifiers import to_hex
from storage.ledger.interface import LedgerError
from storage.ledger.signer import Signer
from tests.samples import private_key
from tests.unit.storage.ledger.scene_sender import PlayedNode, sender


@pytest.mark.parametrize("named", ["0x" + "77" * 20, None, 7])
def test_a_receipt_that_names_another_contract_is_refused(named: object) -> None:
    """Money goes to a contract that was created, and another one is given its address."""
    played = PlayedNode()
    receipt = played.eth_getTransactionReceipt
    played.answers["eth_getTransactionReceipt"] = lambda digest: {**receipt(digest), "contractAddress": named}
    with pytest.raises(LedgerError):
        sender(played).send(None, b"\x60")


def test_a_created_contract_stands_where_account_and_nonce_lead_to() -> None:
    played = PlayedNode()
    created = to_hex(created_address(Signer(private_key("sender")).address, played.count))
    receipt = played.eth_getTransactionReceipt
    played.answers["eth_getTransactionReceipt"] = lambda digest: {**receipt(digest), "contractAddress": created}
    assert str(sender(played).send(None, b"\x60")["contractAddress"]).lower() == created
