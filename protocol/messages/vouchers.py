"""What a task says of vouchers, and what a phone and the manufacturer's server say to each other about one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from protocol.errors import SpecError
from protocol.identifiers import ZERO_DIGEST, Digest, Range, Size
from protocol.keccak import keccak

MODULUS_BYTES: Final = 256
ROOTS: Final = 9  # protocol.vouchers.permutation says why
CODE_BYTES: Final = 20

Residue = Annotated[bytes, Size(MODULUS_BYTES)]  # an integer below 2^2048, big-endian
Voucher = Annotated[bytes, Range(0, MODULUS_BYTES)]  # a residue; none where the task asks for none


@dataclass(frozen=True, slots=True)
class VoucherTerms:
    """The manufacturer's key of this task and the proof that it blinds; empty where no voucher is needed.

    Raises SpecError for one without the other, or of another size.
    """

    modulus: Annotated[bytes, Range(0, MODULUS_BYTES)] = b""
    roots: Annotated[tuple[Residue, ...], Range(0, ROOTS)] = ()

    def __post_init__(self) -> None:
        if (len(self.modulus), len(self.roots)) not in ((0, 0), (MODULUS_BYTES, ROOTS)):
            why = f"a key has {MODULUS_BYTES} bytes and {ROOTS} roots; without either no voucher is needed"
            raise SpecError("vouchers.modulus", why)

    @property
    def needed(self) -> bool:
        return bool(self.modulus)

    @property
    def key(self) -> Digest:
        """Keccak-256 of the modulus, as the ledger keeps it; zero where no voucher is needed."""
        return keccak(self.modulus) if self.needed else ZERO_DIGEST


NO_VOUCHERS: Final = VoucherTerms()


@dataclass(frozen=True, slots=True)
class VoucherRequest:
    """``code``: of the appliance; ``blinded``: what is to be signed, which tells nothing of the phone's address."""

    code: Annotated[bytes, Size(CODE_BYTES)]
    blinded: Residue


@dataclass(frozen=True, slots=True)
class BlindSignature:
    signature: Residue
