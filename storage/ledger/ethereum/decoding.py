"""Logs and return values of the contract as the types of ``protocol.messages.chain``; nothing is taken on trust."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple
from functools import cache
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

from protocol.identifiers import Address, Digest, Size
from protocol.keccak import keccak
from protocol.messages import chain, rosters
from protocol.messages.chain import (
    BondView,
    EnrolmentView,
    Event,
    LedgerRules,
    RoundView,
    Standing,
    TaskTerms,
    TaskView,
)
from protocol.messages.following import NO_CLIENT, OF_THE_TASK
from protocol.round.state_table import RoundState
from storage.ledger.ethereum import abi
from storage.ledger.interface import LedgerError

Struct = TypeVar("Struct", TaskTerms, TaskView, RoundView, EnrolmentView, BondView, Standing, LedgerRules)

EVENT_TYPES: Final[dict[str, type[Event]]] = {
    name: kind
    for name, kind in (vars(chain) | vars(rosters)).items()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}
_WORD: Final = 32
_SUBJECT: Final = (
    1  # which of an event's members says whom it is about; of the whole task it says nobody, and is left out
)
_BLOCK_LIMIT: Final = 2**63


def decode_logs(logs: object, ledger: Address) -> tuple[Event, ...]:
    """Events of this contract in chain order; other contracts' logs and unknown events are left out.

    ``logs`` is web3's list of a receipt or of ``eth_getLogs``. Raises LedgerError.
    """
    if not isinstance(logs, Iterable):
        raise LedgerError("not a list of logs")
    events: list[Event] = []
    for log in logs:
        if not isinstance(log, Mapping):
            raise LedgerError("not a log")
        event = _decode_log(log, ledger)
        if event is None:
            continue
        if events and (event.block, event.log_index) <= (events[-1].block, events[-1].log_index):
            raise LedgerError("logs out of order")
        events.append(event)
    return tuple(events)


def event_digest(event: Event) -> Digest:
    """Keccak-256 of the topics of the contract's log, and of the Keccak-256 of its data."""
    entry = next(entry for entry in abi.events().values() if entry.name == type(event).__name__)
    values = [getattr(event, name) for name in _shape(entry.name)[0]]
    if type(event) in OF_THE_TASK:
        values.insert(_SUBJECT, NO_CLIENT)
    if isinstance(event, chain.RoundPublished):
        values = [*values[:3], tuple(values[3:])]
    members = list(zip(entry.inputs, entry.indexed, values, strict=True))
    topics = [abi.encode((kind,), (value,)) for kind, indexed, value in members if indexed]
    plain = [(kind, astuple(v) if isinstance(v, TaskTerms) else v) for kind, indexed, v in members if not indexed]
    data = abi.encode([kind for kind, _ in plain], [value for _, value in plain])
    return keccak(b"".join((entry.hash, *topics, keccak(data))))


def struct(kind: type[Struct], values: tuple[Any, ...]) -> Struct:
    """A view (or TaskTerms) from its ABI-decoded members. Raises LedgerError."""
    if kind is RoundView:
        try:
            values = (*values[:4], RoundState(values[4]), *values[5:])
        except ValueError as error:
            raise LedgerError(f"no such round state: {values[4]}") from error
    return kind(*values)


def address_of(value: object) -> Address:
    """20 bytes from what a node or web3 gives (checksummed or not). Raises LedgerError."""
    if isinstance(value, str) and len(value) == 42 and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise LedgerError("not an address")


def whole(value: object, limit: int = _BLOCK_LIMIT) -> int:
    """A non-negative integer below ``limit``. Raises LedgerError."""
    if type(value) is not int or not 0 <= value < limit:
        raise LedgerError(f"not a number in range: {value!r:.40}")
    return value


def byte_string(value: object, length: int | None = None) -> bytes:
    """Raises LedgerError unless these are bytes of the given length."""
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise LedgerError(f"not {length or 'a string of'} bytes: {value!r:.40}")
    return bytes(value)


def _decode_log(log: Mapping[str, object], ledger: Address) -> Event | None:
    if log.get("removed") or address_of(log.get("address")) != ledger:
        return None
    topics = log.get("topics")
    if not isinstance(topics, list | tuple):
        raise LedgerError("a log without topics")
    words = [byte_string(topic, _WORD) for topic in topics]
    entry = abi.events().get(words[0]) if words else None
    if entry is None:
        return None
    topic_types = [kind for kind, indexed in zip(entry.inputs, entry.indexed, strict=True) if indexed]
    data_types = [kind for kind, indexed in zip(entry.inputs, entry.indexed, strict=True) if not indexed]
    if len(words) != len(topic_types) + 1:
        raise LedgerError(f"{entry.name}: wrong number of topics")
    in_topics = iter(abi.decode(topic_types, b"".join(words[1:])))
    in_data = iter(abi.decode(data_types, byte_string(log.get("data"))))
    values = [next(in_topics if indexed else in_data) for indexed in entry.indexed]
    if EVENT_TYPES.get(entry.name) in OF_THE_TASK and values.pop(_SUBJECT) != NO_CLIENT:
        raise LedgerError("a log of the whole task names a client")
    return _event(entry.name, values, log)


def _event(name: str, values: list[Any], log: Mapping[str, object]) -> Event | None:
    kind = EVENT_TYPES.get(name)
    if kind is None:
        return None
    if kind is chain.TaskPosted:
        values = [TaskTerms(*value) if isinstance(value, tuple) else value for value in values]
    elif kind is chain.RoundPublished:
        values = [*values[:-1], *values[-1]]
    names, sizes = _shape(name)
    members = dict(zip(names, values, strict=True))
    for member, size in sizes.items():
        if len(members[member]) != size:
            raise LedgerError(f"{name}: {member} is not {size} bytes")
    return kind(
        block=whole(log.get("blockNumber")),
        log_index=whole(log.get("logIndex")),
        transaction=byte_string(log.get("transactionHash"), _WORD),
        **members,
    )


@cache
def _shape(event: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names of the event's own fields, and the exact sizes of those that are bytes."""
    hints = get_type_hints(EVENT_TYPES[event], include_extras=True)
    names = tuple(name for name in hints if name not in Event.__annotations__)
    sizes = {}
    for name in names:
        for mark in get_args(hints[name])[1:] if get_origin(hints[name]) is Annotated else ():
            if isinstance(mark, Size):
                sizes[name] = mark.length
    return names, sizes
