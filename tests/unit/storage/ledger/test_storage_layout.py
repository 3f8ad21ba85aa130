"""Where values stand, against Solidity's rules written out by hand."""

from __future__ import annotations

import pytest

from protocol.keccak import keccak
from protocol.messages.chain import BondView, EnrolmentView, RoundView, Standing, TaskView
from storage.ledger.ethereum.storage_layout import VIEWS, place_of, slots_of, value_at

CLIENT = bytes(range(20))


def _hashed(key: bytes, slot: int) -> int:
    return int.from_bytes(keccak(key.rjust(32, b"\0") + slot.to_bytes(32, "big")), "big")


def test_a_mapping_of_a_mapping() -> None:
    base = place_of("_bond").slot
    found = place_of("_bond", 7, CLIENT)
    assert (found.slot, found.offset) == (_hashed(CLIENT, _hashed(b"\7", base)), 0)
    assert slots_of(found) == [found.slot, *([found.slot + 1] if len(slots_of(found)) > 1 else [])]


@pytest.mark.parametrize(
    ("view", "arguments", "kind"),
    [
        ("taskOf", (1,), TaskView),
        ("roundOf", (1, 1), RoundView),
        ("enrolmentOf", (1, CLIENT), EnrolmentView),
        ("bondOf", (1, CLIENT), BondView),
        ("standingOf", (CLIENT,), Standing),
    ],
)
def test_a_struct_is_read_member_by_member(view: str, arguments: tuple[int | bytes, ...], kind: type) -> None:
    """Each in its own bytes, from the low end of a slot, in the order of the type that the rest of the code has."""
    place = place_of(*VIEWS[view](*arguments))
    names = list(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    for chosen in names:
        head, *rest = chosen.split("_")
        member = place_of(*VIEWS[view](*arguments), head + "".join(part.capitalize() for part in rest))
        words = dict.fromkeys(slots_of(place), 0) | {member.slot: 1 << 8 * member.offset}
        values = value_at(place, words)
        found = [
            name
            for name, value in zip(names, values, strict=True)
            if any(value if isinstance(value, bytes) else [value])
        ]
        assert found == [chosen]


def test_a_name_that_the_layout_lacks_is_an_error() -> None:
    with pytest.raises(KeyError):
        place_of("_another")
    with pytest.raises(KeyError):
        place_of("_task", 1, "hidden")
