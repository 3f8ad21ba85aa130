"""The full-domain hash that a voucher signs: eight Keccak blocks, as contracts/src/libraries/Vouchers.sol has them."""

from __future__ import annotations

from typing import Final

from protocol.domain import Domain, uint256
from protocol.identifiers import Address, Digest
from protocol.keccak import keccak

BLOCKS: Final = 8
TAG: Final = keccak(
    b"HearthVoucher(uint256 chain,address ledger,bytes32 key,uint256 task,address client,uint256 counter)"
)
_BELOW_THE_TOP_BIT: Final = (1 << 2047) - 1


def full_domain_hash(domain: Domain, key: Digest, task: int, client: Address) -> int:
    """Below 2^2047, so below every modulus, whose top bit is set. ``key``: Keccak-256 of the modulus."""
    said = TAG + uint256(domain.chain_id) + bytes(12) + domain.ledger + key + uint256(task) + bytes(12) + client
    blocks = b"".join(keccak(said + uint256(counter)) for counter in range(BLOCKS))
    return int.from_bytes(blocks) & _BELOW_THE_TOP_BIT
