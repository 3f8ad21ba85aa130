"""A lying RPC endpoint: every decoded field of every answer that an audit uses, changed one at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from eth_abi.abi import decode, encode

from protocol.audit.report import Report, Status
from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.strict_json import canonical_json, parse_json
from scripts.commands.auditor import run_audit
from storage.content.memory import MemoryStore
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.calls import encode_token_call
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.rpc import JsonRpcProvider, NodeProvider, RpcRefusedError
from storage.ledger.interface import LedgerError, LedgerReader
from tests.played_task import Player

Entries = dict[str, dict[str, Any]]
BALANCE_OF = encode_token_call("balanceOf", bytes(20))[:4]  # of an ERC-20


class Told(NodeProvider):
    """Answers from a table; ``asked`` collects new answers of ``inner`` when there is one."""

    def __init__(self, entries: Entries, inner: NodeProvider | None = None) -> None:
        super().__init__()
        self.entries, self._inner = entries, inner
        self.asked: list[str] = []

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        question = canonical_json([method, params]).decode()
        self.asked.append(question)
        if question not in self.entries:
            if self._inner is None:
                raise LedgerError(f"{method}: this endpoint does not answer")
            self.entries[question] = self._ask(self._inner, method, params)
        entry = self.entries[question]
        if "refusal" in entry:
            raise RpcRefusedError(method, *entry["refusal"])
        return {"jsonrpc": "2.0", "id": 0, "result": copy.deepcopy(entry["result"])}

    def _ask(self, inner: NodeProvider, method: str, params: Any) -> dict[str, Any]:
        entry: dict[str, Any] = {"method": method, "params": parse_json(canonical_json(params))}
        try:
            return entry | {"result": parse_json(canonical_json(inner.make_request(method, params)["result"]))}
        except RpcRefusedError as error:
            return entry | {"refusal": (error.rpc_code, error.reason, error.data)}


class Remembering:
    """The reader of a table of answers. What it decoded it decodes again only if it asked the ``changed`` question."""

    def __init__(self, entries: Entries, chain: JsonRpcProvider, ledger: Address) -> None:
        self._entries, self._chain, self._ledger = entries, chain, ledger
        self._decoded: dict[tuple[str, tuple[object, ...]], tuple[Any, set[str]]] = {}

    def changed(self, change: Change | None) -> LedgerReader:
        entries = dict(self._entries)
        if change is not None:
            entries[change.question] = entries[change.question] | {"result": change.result}
        told = Told(entries if change else self._entries, self._chain)
        return cast(LedgerReader, _Changed(self, EthereumReader(told, self._ledger), told, change))

    def answer(
        self, name: str, arguments: tuple[object, ...], ask: Callable[[], Any], told: Told, question: str
    ) -> Any:
        value, questions = self._decoded.get((name, arguments), (None, {question}))
        if question not in questions:
            return value
        told.asked.clear()
        value = ask()
        if not question:
            self._decoded[name, arguments] = value, set(told.asked)
        return value


class _Changed:
    def __init__(self, known: Remembering, reader: EthereumReader, told: Told, change: Change | None) -> None:
        self._known, self._reader, self._told = known, reader, told
        self._question = change.question if change else ""

    @property
    def domain(self) -> Domain:
        domain: Domain = self._known.answer("domain", (), lambda: self._reader.domain, self._told, self._question)
        return domain

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._reader, name)
        return lambda *arguments: self._known.answer(
            name, arguments, lambda: method(*arguments), self._told, self._question
        )


@dataclass
class Audited:
    """A played task, and every answer of the chain that its audit used."""

    player: Player
    entries: Entries
    reader: Remembering

    def audit(self, change: Change | None = None, store: MemoryStore | None = None) -> Report:
        return run_audit(self.reader.changed(change), store or self.player.store, self.player.task)


@contextmanager
def audited_task(player: Player) -> Iterator[Audited]:
    """It passes."""
    chain, entries = JsonRpcProvider(player.chain.rpc_url), Entries()
    made = Audited(player, entries, Remembering(entries, chain, player.reader.ledger))
    report = made.audit()
    assert report.status is Status.PASS, report.failed
    yield made
    chain.close()


@dataclass(frozen=True)
class Change:
    """One field of one answer: where it stands in words, and the whole changed answer."""

    what: str  # e.g. ``RoundPublished.correct`` or ``taskOf.escrow``
    question: str
    result: Any


def changes(entries: Entries) -> Iterator[Change]:
    """Every change of one decoded field of one answer."""
    for question, entry in entries.items():
        method: str = entry["method"]
        result: Any = entry.get("result")
        if method == "eth_getLogs":
            for place, log in enumerate(result):
                for what, changed in _log_changes(log):
                    yield Change(what, question, [*result[:place], changed, *result[place + 1 :]])
                yield Change(f"{_event(log).name} left out", question, result[:place] + result[place + 1 :])
        elif method == "eth_call" and result is not None:
            yield from _view_changes(question, entry["params"][0], result)
        elif method == "eth_getBalance":
            yield Change("balance +1", question, hex(int(result, 16) + 1))
            yield Change("balance -1", question, hex(int(result, 16) - 1))
        elif method == "eth_chainId":
            yield Change("chain id", question, hex(int(result, 16) + 1))
        elif method == "eth_getCode":
            yield Change("code", question, _flipped(result, len(result) // 4))
        elif method == "eth_getBlockByNumber":
            for seconds in (-1, 1, 100_000):
                stamp = hex(int(result["timestamp"], 16) + seconds)
                yield Change(f"block timestamp {seconds:+d}", question, result | {"timestamp": stamp})


def _event(log: dict[str, Any]) -> abi.Entry:
    return abi.events()[bytes.fromhex(log["topics"][0][2:])]


def _log_changes(log: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    entry, names = _event(log), _names("event", _event(log).name)
    topic = 1
    plain = [i for i, indexed in enumerate(entry.indexed) if not indexed]
    types = [entry.inputs[i] for i in plain]
    values = list(decode(types, bytes.fromhex(log["data"][2:])))
    for i, indexed in enumerate(entry.indexed):
        if indexed:
            yield (
                f"{entry.name}.{names[i][0]}",
                log | {"topics": _replaced(log["topics"], topic, _bump(log["topics"][topic]))},
            )
            topic += 1
    for position, i in enumerate(plain):
        for name, changed in _leaves(names[i], entry.inputs[i], values[position]):
            data = encode(types, _replaced(values, position, changed))
            yield f"{entry.name}.{name}", log | {"data": "0x" + data.hex()}
    for name in ("blockNumber", "logIndex"):
        yield f"{entry.name} {name}", log | {name: hex(int(log[name], 16) + 1)}
    yield f"{entry.name} transactionHash", log | {"transactionHash": _flipped(log["transactionHash"], 5)}
    yield f"{entry.name} address", log | {"address": _flipped(log["address"], 5)}


def _view_changes(question: str, call: dict[str, Any], result: str) -> Iterator[Change]:
    selector = bytes.fromhex(call["data"][2:10])
    if selector == BALANCE_OF:
        for what, wrong in (("balance +1", int(result, 16) + 1), ("balance -1", int(result, 16) - 1)):
            yield Change(what, question, "0x" + wrong.to_bytes(32, "big").hex())
        return
    (entry,) = [found for found in abi.functions().values() if found.hash[:4] == selector]
    names = _names("function", entry.name)
    values = list(decode(entry.outputs, bytes.fromhex(result[2:])))
    for position, kind in enumerate(entry.outputs):
        for name, changed in _leaves(names[position], kind, values[position]):
            data = encode(entry.outputs, _replaced(values, position, changed))
            yield Change(f"{entry.name}.{name}".rstrip("."), question, "0x" + data.hex())


Names = tuple[str, list[Any]]  # of a value and, for a struct, of its members


def _names(kind: str, name: str) -> list[Names]:
    (item,) = [i for i in abi.contract_abi() if i["type"] == kind and i["name"] == name]
    return [_name(p) for p in item["inputs" if kind == "event" else "outputs"]]


def _name(parameter: dict[str, Any]) -> Names:
    return parameter["name"], [_name(part) for part in parameter.get("components", [])]


def _leaves(names: Names, kind: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every field of a value with the value in which only it is changed."""
    name, members = names
    if kind.startswith("("):
        for place, part in enumerate(kind[1:-1].split(",")):
            for inner, changed in _leaves(members[place], part, value[place]):
                yield inner, tuple(_replaced(list(value), place, changed))
    elif kind.endswith("[]"):
        for place, item in enumerate(value):
            for inner, changed in _leaves((name, members), kind[:-2], item):
                yield inner, tuple(_replaced(list(value), place, changed))
    elif kind == "bool":
        yield name, not value
    elif kind == "address":
        yield name, _flipped(value, 7)
    elif kind.startswith("bytes"):
        yield name, bytes([value[0] ^ 1]) + value[1:] if value else b"\1"
    else:
        bits = int(kind.removeprefix("uint"))
        yield name, value + 1 if value + 1 < 2**bits else value - 1


def _replaced(items: list[Any], place: int, value: Any) -> list[Any]:
    return [*items[:place], value, *items[place + 1 :]]


def _flipped(text: str, place: int) -> str:
    """A hex text with one digit changed."""
    place += 2
    return text[:place] + format(int(text[place], 16) ^ 1, "x") + text[place + 1 :]


def _bump(word: str) -> str:
    return "0x" + (int(word, 16) ^ 1).to_bytes(32, "big").hex()
