"""Headers of blocks, believed only where they hash to the block's hash; and with it the root of the chain's state.

Execution API of ethereum/execution-apis; the fields in the order in which a block hashes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import rlp

from protocol.identifiers import Digest
from protocol.keccak import keccak

_FIRST: Final = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty",
    "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce",
)  # fmt: skip
# each fork adds to those before it
_LATER: Final = (
    "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash",
)  # fmt: skip
_NUMBERS: Final = frozenset(
    ("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas")
)


@dataclass(frozen=True, slots=True)
class Header:
    number: int
    hash: Digest
    state_root: Digest


def hashed_header(block: Mapping[str, Any]) -> Header:
    """From a node's answer. Raises ValueError, TypeError or LookupError, also where it hashes to something else."""
    fields = list(_FIRST)
    for name in _LATER:
        if block.get(name) is None:
            break
        fields.append(name)
    members = [_member(name, block[name]) for name in fields]
    digest = keccak(rlp.encode(members))
    if "0x" + digest.hex() != block["hash"]:
        raise ValueError("the header does not hash to the block's hash")
    return Header(int(block["number"], 16), digest, members[_FIRST.index("stateRoot")])


def _member(name: str, text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(f"{name} is not hexadecimal")
    if name in _NUMBERS:
        number = int(text, 16)
        return number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes.fromhex(text[2:])
