"""Where the ledger keeps what its views show: slots and their meaning, from the layout that the compiler gives.

https://docs.soliditylang.org/en/v0.8.37/internals/layout_in_storage.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from contracts import artifact
from protocol.deployment import LEDGER
from protocol.domain import uint256
from protocol.keccak import keccak

Step = str | int | bytes  # the name of a struct's member, or the key of a mapping
Path = tuple[str, *tuple[Step, ...]]  # a variable, then what leads from it to the value


@dataclass(frozen=True, slots=True)
class Place:
    """``offset``: bytes that come before it in its slot, from the low end; ``kind``: the type's name."""

    slot: int
    offset: int
    kind: str


# A view that is not here cannot be proven.
VIEWS: Final[Mapping[str, Callable[..., Path]]] = {
    "taskCount": lambda: ("_tasks",),
    "taskOf": lambda task: ("_task", task, "shown"),
    "roundOf": lambda task, number: ("_round", task, number),
    "enrolmentOf": lambda task, client: ("_enrolment", task, client),
    "hasCommittedDirectly": lambda task, number, client: ("_committed", task, number, client),
    "isCompensated": lambda task, number, client: ("_compensated", task, number, client),
    "signerOf": lambda task, client: ("_signer", task, client),
    "standingOf": lambda client: ("_standing", client),
    "bondOf": lambda task, holder: ("_bond", task, holder),
    "creditOf": lambda task, holder: ("_credits", task, holder),
}


def place_of(variable: str, *steps: Step) -> Place:
    """Raises KeyError for a name that the layout lacks."""
    place = _placed(_layout()["variables"][variable], 0)
    for step in steps:
        kind = _layout()["types"][place.kind]
        if isinstance(step, str):
            place = _placed(kind["members"][step], place.slot)
        else:
            key = step.rjust(32, b"\0") if isinstance(step, bytes) else uint256(step)
            place = Place(int.from_bytes(keccak(key + uint256(place.slot)), "big"), 0, kind["value"])
    return place


def slots_of(place: Place) -> list[int]:
    """All that its value stands in, ascending."""
    return sorted({leaf.slot for leaf in _leaves(place)})


def value_at(place: Place, words: Mapping[int, int]) -> Any:
    """As the view returns it, from the words of its slots: a tuple of members for a struct."""
    values = tuple(_value(leaf, words[leaf.slot]) for leaf in _leaves(place))
    return values if "members" in _layout()["types"][place.kind] else values[0]


def _leaves(place: Place) -> Iterator[Place]:
    """The members of a struct in the order of their declaration, which is that of their places."""
    members = _layout()["types"][place.kind].get("members")
    if members is None:
        yield place
        return
    for entry in sorted(members.values(), key=lambda entry: (entry["slot"], entry["offset"])):
        yield from _leaves(_placed(entry, place.slot))


def _value(leaf: Place, word: int) -> Any:
    size = _layout()["types"][leaf.kind]["bytes"]
    number = word >> 8 * leaf.offset & (1 << 8 * size) - 1
    if leaf.kind == "bool":
        return bool(number)
    if leaf.kind.startswith(("uint", "enum ")):
        return number
    if leaf.kind == "address" or leaf.kind.startswith("bytes"):
        return number.to_bytes(size, "big")
    raise ValueError(f"{leaf.kind} is not kept in one slot")


def _placed(entry: dict[str, Any], base: int) -> Place:
    return Place(base + entry["slot"], entry["offset"], entry["type"])


@cache
def _layout() -> dict[str, Any]:
    layout: dict[str, Any] = artifact(LEDGER)["storage"]
    return layout
