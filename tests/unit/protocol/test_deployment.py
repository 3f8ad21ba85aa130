"""Where contracts stand."""

from __future__ import annotations

from protocol.deployment import created_address


def test_addresses_of_creations() -> None:
    """Known ones: those of the first contracts of anvil's first account, as its manual prints them."""
    faucet = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
    assert created_address(faucet, 0).hex() == "5fbdb2315678afecb367f032d93f642f64180aa3"
    assert created_address(faucet, 1).hex() == "e7f1725e7734ce288f8367e1bb143e90bb3f0512"
