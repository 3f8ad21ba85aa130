"""What a chain of the OP stack charges for putting a transaction's bytes on the chain below it, since Fjord.

OP stack specification, Fjord, "L1-Cost fee changes (FastLZ estimator)": the fee is that of an estimated size, which is
linear in the length that FastLZ (level 1) would compress the signed transaction to. Whole numbers throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIN_SIZE_MICRO: Final = 100_000_000  # millionths of a byte
SIZE_INTERCEPT: Final = -42_585_600
SIZE_PER_FASTLZ_BYTE: Final = 836_500
CALLDATA_GAS: Final = 16  # of a byte, as the base fee of the chain below counts it
DEPOSIT_TYPE: Final = 0x7E  # transactions that the chain below made itself
SCALE: Final = 10**12

_WINDOW: Final = 8192  # bytes that a match may lie back
_SLOTS: Final = 8192
_MULTIPLIER: Final = 2654435769
_TAIL: Final = 13  # bytes at the end in which no match begins
_LITERALS: Final = 32  # of one run, which costs a byte more
_MATCH: Final = 262  # longest


@dataclass(frozen=True, slots=True)
class DataPrices:
    """Of the chain below, in wei; the scalars are the operator's, in millionths."""

    base_fee: int
    blob_base_fee: int
    base_fee_scalar: int
    blob_base_fee_scalar: int


def data_fee(transaction: bytes, prices: DataPrices) -> int:
    """Wei for the signed ``transaction`` as it is sent (EIP-2718), rounded down."""
    if not transaction or transaction[0] == DEPOSIT_TYPE:
        return 0
    scaled = prices.base_fee_scalar * prices.base_fee * CALLDATA_GAS
    scaled += prices.blob_base_fee_scalar * prices.blob_base_fee
    return estimated_size(transaction) * scaled // SCALE


def estimated_size(transaction: bytes) -> int:
    """Millionths of a byte."""
    return max(MIN_SIZE_MICRO, SIZE_INTERCEPT + SIZE_PER_FASTLZ_BYTE * fastlz_length(transaction))


def fastlz_length(data: bytes) -> int:
    """Bytes that FastLZ level 1 would make of ``data``, without its header; time is linear in its length."""
    table = [0] * _SLOTS  # where three bytes of this hash were last seen
    end, length, written, place = max(0, len(data) - _TAIL), 0, 0, 2
    while place < end:
        found = _next_match(data, table, place, end)
        if found is None:
            break
        place, before = found
        length += _literals(place - written)
        matched = _common(data, before + 3, place + 3, len(data) - 4)
        length += _match(matched)
        place += matched
        for _ in range(2):
            table[_hash(data, place)] = place
            place += 1
        written = place
    return length + _literals(len(data) - written)


def _next_match(data: bytes, table: list[int], place: int, end: int) -> tuple[int, int] | None:
    """The next place at which three bytes come again, and where they were; None when there is none before ``end``."""
    while place < end:
        slot = _hash(data, place)
        before, table[slot] = table[slot], place
        if place - before <= _WINDOW and data[before : before + 3] == data[place : place + 3]:
            # the reference looks at its counter after it has moved on: a match at the very end is none
            return (place, before) if place + 1 < end else None
        place += 1
    return None


def _common(data: bytes, one: int, other: int, end: int) -> int:
    """How far both go on alike, the first byte that differs counted too, up to ``end``."""
    most, count = end - other, 0
    while count < most:
        count += 1
        if data[one + count - 1] != data[other + count - 1]:
            break
    return count


def _literals(count: int) -> int:
    runs, rest = divmod(count, _LITERALS)
    return runs * (_LITERALS + 1) + (rest + 1 if rest else 0)


def _match(count: int) -> int:
    whole, rest = divmod(count - 1, _MATCH)
    return 3 * whole + (3 if rest >= 6 else 2)


def _hash(data: bytes, place: int) -> int:
    word = data[place] | data[place + 1] << 8 | data[place + 2] << 16
    return (_MULTIPLIER * word >> 19) % _SLOTS
