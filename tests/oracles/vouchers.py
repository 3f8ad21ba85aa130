"""Vouchers of ``docs/vouchers.md`` in Python integers, written from the text.

Shares no line with ``protocol/vouchers``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from Crypto.Hash import keccak

E = 65537


def hashed(*words: bytes) -> bytes:
    """Keccak-256 of words of 32 bytes each."""
    return keccak.new(digest_bits=256, data=b"".join(word.rjust(32, b"\0") for word in words)).digest()


def tag(text: str) -> bytes:
    return keccak.new(digest_bits=256, data=text.encode()).digest()


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def key_of(n: int) -> bytes:
    return keccak.new(digest_bits=256, data=n.to_bytes(256, "big")).digest()


def statement(n: int, chain: int, ledger: bytes, task: int, client: bytes) -> int:
    """The full-domain hash."""
    kind = tag("HearthVoucher(uint256 chain,address ledger,bytes32 key,uint256 task,address client,uint256 counter)")
    said = (kind, number(chain), ledger, key_of(n), number(task), client)
    blocks = [int.from_bytes(hashed(*said, number(i)), "big") for i in range(8)]
    value = 0
    for block in blocks:
        value = value * 2**256 + block
    return value % 2**2047


def challenge(n: int, index: int) -> int:
    kind = tag("HearthVoucherKey(bytes32 key,uint256 index,uint256 counter)")
    value = 0
    for i in range(9):
        value = value * 2**256 + int.from_bytes(hashed(kind, key_of(n), number(index), number(i)), "big")
    return value % n


def proof(p: int, q: int) -> list[int]:
    n, order = p * q, (p - 1) * (q - 1) // gcd(p - 1, q - 1)
    return [pow(challenge(n, i), pow(E * n if i < 8 else E, -1, order), n) for i in range(9)]


def proves(n: int, roots: Sequence[int]) -> bool:
    if n.bit_length() != 2048 or any(n % small == 0 for small in range(2, 65537)) or len(roots) != 9:
        return False
    return all(pow(root, E * n if i < 8 else E, n) == challenge(n, i) for i, root in enumerate(roots))


def blinded(n: int, said: int, r: int) -> int:
    return said * pow(r, E, n) % n


def signed(p: int, q: int, value: int) -> int:
    """By each prime, and put together (Garner)."""
    one, other = (pow(value, pow(E, -1, prime - 1), prime) for prime in (p, q))
    return other + q * ((one - other) * pow(q, -1, p) % p)


def unblinded(n: int, signature: int, r: int) -> int:
    return signature * pow(r, -1, n) % n


def holds(n: int, said: int, voucher: int) -> bool:
    return n >= 2**2047 and voucher < n and pow(voucher, E, n) == said
