"""Voucher keys for tests, made once: never use them for anything that is worth something."""

from __future__ import annotations

from typing import Final

from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.messages.vouchers import MODULUS_BYTES
from protocol.vouchers.blinding import Statement
from protocol.vouchers.permutation import EXPONENT
from protocol.vouchers.signing import VoucherKey

_PRIMES: Final = (
    (
        "f1e68cbd6681d42b0d85914ac0154665fcb52aece10c1a9d73b309b46b7e4d2a0cb84dbba0944ad226e0f0ad2768ecc1"
        "c851a9c3a31ce49c43e8c0c810499c764fd24463411a657cfd53cec5521aefd972145bed85fa3e9051b289ab69ce424b"
        "604596734988ebbeefa4daed8b2264d9ff3c92ffbe49dc154cd7aae211878f0b"
    ),
    (
        "e2af040c2f395db9a8fa81cf4210a24db0cf90785fa9f2290f50de8900db2b886d9058676dcb0d8e0ea87548f1b3c71e"
        "56316602fb1d1d4599d45bb0f26ee669205850da9793025aedd2d1d7fb880b0615639d68977c2ac0c7c8f65774b8d91b"
        "65200219e970d60cfbe112cf7bfc25fb6ec57fbfc7b4771411c0d226b0e61be3"
    ),
    (
        "da01e0d1e003b20f37370f288f813d5c4d67bfc74fa14e1988f0c90209606aa5cb2fe07a97e3a03fd30b61765fc1b9a6"
        "a66e7b4ee82fd490680f32239c4343fd174f8807ee5b02554e8bc75b3d18aded72cb9076d3895e0d65074f5bbc690f3d"
        "62e650ea7ad97bf35fa439307d88c8b63fa266377e0192f70db4fa1a497ca747"
    ),
    (
        "c7621adfded8c58f8bfd62c7c77f518110f82dc18f0c703bff4ab7a233cbfed7a39f18e2aa4763cd5aa9c85dd6f801c3"
        "16fdeac4c3bf92ce0bd23ea58f786a633acb922681331272394f80dd6a87168d5929c18eba83662017b639858ed1a59a"
        "93370dd89422cb96a9ff2fae7c4505d0b913ac3b656e7183e80f2c86b9e973d7"
    ),
)
KEYS: Final = tuple(VoucherKey(int(_PRIMES[place], 16), int(_PRIMES[place + 1], 16)) for place in (0, 2))


def modulus_of(key: VoucherKey) -> bytes:
    return key.modulus.to_bytes(MODULUS_BYTES)


def voucher_of(key: VoucherKey, domain: Domain, task: int, client: Address) -> bytes:
    """As the manufacturer could sign it without any blinding."""
    exponent = pow(EXPONENT, -1, (key.p - 1) * (key.q - 1))
    said = Statement(domain, modulus_of(key), task, client).hash
    return pow(said, exponent, key.modulus).to_bytes(MODULUS_BYTES)
