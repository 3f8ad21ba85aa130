"""The ledger contract's ABI as tables: calls by name, events by topic, custom errors by selector; strict decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.grammar import ABIType, TupleType, parse

from contracts import artifact
from protocol.deployment import JUDGE, LEDGER, TASKS
from protocol.keccak import keccak
from storage.ledger.ethereum.abi_words import decode_words
from storage.ledger.interface import LedgerError

_ADDRESS: Final = parse("address")


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, event or error; ``indexed`` says of each input whether it is a topic."""

    name: str
    inputs: tuple[str, ...]
    indexed: tuple[bool, ...]
    outputs: tuple[str, ...]
    hash: bytes  # keccak of the signature: topic of an event, its first four bytes are the selector of the others


@cache
def functions() -> dict[str, Entry]:
    return {entry.name: entry for entry in _entries("function")}


@cache
def events() -> dict[bytes, Entry]:
    return {entry.hash: entry for entry in _entries("event")}


@cache
def errors() -> dict[bytes, Entry]:
    """Of the ledger, and of the contracts whose refusals it passes on."""
    return {entry.hash[:4]: entry for name in (LEDGER, TASKS, JUDGE) for entry in _entries("error", name)}


@cache
def proofs() -> dict[str, Entry]:
    """The judge's functions: what a dispute may carry."""
    return {entry.name: entry for entry in _entries("function", JUDGE)}


@cache
def contract_abi() -> list[dict[str, Any]]:
    return list(artifact(LEDGER)["abi"])


@cache
def constructor(contract: str = LEDGER) -> tuple[str, ...]:
    """Types of the constructor's arguments."""
    items = [item for item in artifact(contract)["abi"] if item["type"] == "constructor"]
    return tuple(_type(parameter) for item in items for parameter in item["inputs"])


def bytecode(contract: str = LEDGER) -> bytes:
    text = str(artifact(contract)["bytecode"])
    return bytes.fromhex(text.removeprefix("0x"))


def encode(types: Sequence[str], values: Sequence[object]) -> bytes:
    """Raises LedgerError when a value does not fit its Solidity type."""
    try:
        return abi_encode(types, values)
    except (EncodingError, TypeError, ValueError, OverflowError) as error:
        raise LedgerError(f"not a call of the contract: {error}") from error


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Inverse of :func:`encode`, refusing every other encoding of the same values; addresses come as 20 bytes."""
    quick = decode_words(tuple(types), data)
    return reference_decode(types, data) if quick is None else quick


def reference_decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """The same by the library, for any types. Raises LedgerError, which says what is wrong."""
    try:
        values = abi_decode(types, data)
        canonical = abi_encode(types, values) == data
    except (DecodingError, EncodingError, TypeError, ValueError, OverflowError, ArithmeticError) as error:
        raise LedgerError(f"not {','.join(types)}: {error}") from error
    if not canonical:
        raise LedgerError(f"not the one encoding of {','.join(types)}")
    return tuple(_plain(parse(kind), value) for kind, value in zip(types, values, strict=True))


def _plain(kind: ABIType, value: Any) -> Any:
    if kind.is_array:
        return tuple(_plain(kind.item_type, item) for item in value)
    if isinstance(kind, TupleType):
        return tuple(_plain(part, item) for part, item in zip(kind.components, value, strict=True))
    return bytes.fromhex(value[2:]) if kind == _ADDRESS else value


def _entries(kind: str, contract: str = LEDGER) -> list[Entry]:
    entries = []
    for item in artifact(contract)["abi"]:
        if item["type"] == kind:
            inputs = tuple(_type(parameter) for parameter in item["inputs"])
            indexed = tuple(bool(parameter.get("indexed")) for parameter in item["inputs"])
            outputs = tuple(_type(parameter) for parameter in item.get("outputs", ()))
            digest = keccak(f"{item['name']}({','.join(inputs)})".encode())
            entries.append(Entry(item["name"], inputs, indexed, outputs, digest))
    return entries


def _type(parameter: dict[str, Any]) -> str:
    """Solidity type as in a signature; a struct becomes ``(t1,t2)``."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(part) for part in parameter['components'])}){kind.removeprefix('tuple')}"
