"""The chain's evidence in a file: what a reader asked a node and was told, to be read again without the node."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Final

from protocol.errors import MalformedError
from protocol.strict_json import canonical_json, parse_json
from storage.bounded_file import read_bounded
from storage.ledger.ethereum.rpc import NodeProvider, RpcRefusedError
from storage.ledger.interface import LedgerError

_LOGS: Final = "eth_getLogs"
FORMAT: Final = "hearth-chain-evidence/1"
MAX_EVIDENCE_BYTES: Final = 64 * 1024 * 1024


class RecordingProvider(NodeProvider):
    """Passes every question on to ``inner`` and remembers the last answer to each, refusals included."""

    def __init__(self, inner: NodeProvider) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, Any]] = {}

    @property
    def bytes_sent(self) -> int:
        return self._inner.bytes_sent

    def close(self) -> None:
        self._inner.close()

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        entry: dict[str, Any] = {"method": method, "params": parse_json(canonical_json(params))}
        question = _question(entry)
        try:
            answer = self._inner.make_request(method, params)
        except RpcRefusedError as error:
            entry["refusal"] = {"code": error.rpc_code, "reason": error.reason, "data": error.data}
            raise
        else:
            entry["result"] = answer["result"]
        finally:
            if len(entry) == 3:
                with self._lock:
                    self._entries[question] = entry
        return answer

    def content(self) -> bytes:
        """Canonical JSON, questions in ascending order: the same answers give the same file. Raises LedgerError."""
        with self._lock:
            entries = [self._entries[question] for question in sorted(self._entries)]
        content = canonical_json({"format": FORMAT, "entries": entries})
        if len(content) > MAX_EVIDENCE_BYTES:
            raise LedgerError(f"the evidence exceeds {MAX_EVIDENCE_BYTES} bytes")
        return content


class ReplayProvider(NodeProvider):
    """Answers from a file of :class:`RecordingProvider` and from nothing else. Raises LedgerError, also when made.

    The file is as trustworthy as a node's answers: a reader checks both alike.
    """

    def __init__(self, path: Path) -> None:
        self._entries = _load(path)

    @property
    def first_block(self) -> int:
        """Where whoever recorded it began to read logs, and where reading begins that is to ask the same."""
        asked = [entry["params"] for entry in self._entries.values() if entry["method"] == _LOGS]
        try:
            return min((int(params[0]["fromBlock"], 16) for params in asked), default=0)
        except (TypeError, ValueError, LookupError) as error:
            raise LedgerError("an evidence file with a malformed question") from error

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        entry = self._entries.get(_question({"method": method, "params": params}))
        if entry is None:
            raise LedgerError(f"{method}: not in the evidence file")
        if "refusal" in entry:
            refusal = entry["refusal"]
            raise RpcRefusedError(method, refusal["code"], refusal["reason"], refusal["data"])
        return {"jsonrpc": "2.0", "id": 0, "result": entry["result"]}


def _question(entry: dict[str, Any]) -> str:
    return canonical_json([entry["method"], entry["params"]]).decode()


def _load(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = read_bounded(path, MAX_EVIDENCE_BYTES)
        evidence = parse_json(content)
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}") from error
    except MalformedError as error:
        raise LedgerError(f"{path}: {error.args[0]}") from error
    if not isinstance(evidence, dict) or evidence.keys() != {"format", "entries"} or evidence["format"] != FORMAT:
        raise LedgerError(f"{path}: not {FORMAT}")
    if canonical_json(evidence) != content or not isinstance(evidence["entries"], list):
        raise LedgerError(f"{path}: not a canonical evidence file")
    entries: dict[str, dict[str, Any]] = {}
    for entry in evidence["entries"]:
        _check(entry, path)
        question = _question(entry)
        if entries and question <= next(reversed(entries)):
            raise LedgerError(f"{path}: a question out of order, or asked twice")
        entries[question] = entry
    return entries


def _check(entry: object, path: Path) -> None:
    if isinstance(entry, dict) and isinstance(entry.get("method"), str) and isinstance(entry.get("params"), list):
        if entry.keys() == {"method", "params", "result"}:
            return
        refusal: Any = entry.get("refusal")
        shown = entry.keys() == {"method", "params", "refusal"} and isinstance(refusal, dict)
        whole = shown and refusal.keys() == {"code", "reason", "data"}
        if whole and type(refusal["code"]) is int and isinstance(refusal["reason"], str):
            return
    raise LedgerError(f"{path}: not a question with its answer")
