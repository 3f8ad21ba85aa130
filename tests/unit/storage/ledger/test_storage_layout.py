"""Where values stand, against Solidity's rules written out by hand."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from storage.ledger.ethereum.storage_layout import VIEWS, place_of, slots_of, value_at

CLIENT = bytes(range(20))


def _hashed(key: bytes, slot: int) -> int:
    return int.from_bytes(keccak(key.rjust(32, b"\0") + slot.to_bytes(32, "big")), "big")


def test_a_mapping_of_a_mapping() -> None:
    base = place_of("_bond").slot
    found = place_of("_bond", 7, CLIENT)
    assert (found.slot, found.offset) == (_hashed(CLIENT, _hashed(b"\7", base)), 0)
    assert slots_of(found) == [found.slot, *([found.slot + 1] if len(slots_of(found)) > 1 else [])]


def test_members_share_a_slot_from_its_low_end() -> None:
    place = place_of(*VIEWS["standingOf"](CLIENT))
    word = 4 | 1_700_000_000 << 8 | 9 << 56 | 3 << 120
    values = value_at(place, {place.slot: word})
    assert values[:4] == (4, 1_700_000_000, 9, 3)


def test_a_name_that_the_layout_lacks_is_an_error() -> None:
    with pytest.raises(KeyError):
        place_of("_another")
    with pytest.raises(KeyError):
        place_of("_task", 1, "hidden")
