"""Evidence of the chain: recorded once, read again without a node, refused when it is not what was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.strict_json import canonical_json
from storage.ledger.ethereum import replay
from storage.ledger.ethereum.replay import RecordingProvider, ReplayProvider
from storage.ledger.ethereum.rpc import NodeProvider, RpcRefusedError
from storage.ledger.interface import LedgerError

CALL, CODE = "eth_call", "eth_getCode"


class _Answers(NodeProvider):
    """Answers eth_getCode with what it was asked, refuses everything else."""

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        if method != CODE:
            raise RpcRefusedError(method, 3, "execution reverted", "0x1234")
        return {"jsonrpc": "2.0", "id": 1, "result": {"asked": params}}


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    recorder = RecordingProvider(_Answers())
    for address in ("0x02", "0x01"):
        assert recorder.make_request(CODE, [address, "latest"])["result"] == {"asked": [address, "latest"]}
    with pytest.raises(RpcRefusedError):
        recorder.make_request(CALL, [{"to": "0x01"}])
    (tmp_path / "evidence.json").write_bytes(recorder.content())
    return tmp_path / "evidence.json"


def test_the_same_questions_get_the_same_answers(evidence: Path) -> None:
    provider = ReplayProvider(evidence)
    assert provider.make_request(CODE, ["0x01", "latest"])["result"] == {"asked": ["0x01", "latest"]}
    with pytest.raises(RpcRefusedError) as caught:
        provider.make_request(CALL, [{"to": "0x01"}])
    assert (caught.value.rpc_code, caught.value.reason, caught.value.data) == (3, "execution reverted", "0x1234")


@pytest.mark.parametrize("question", [(CODE, ["0x03", "latest"]), (CODE, ["0x01"]), (CALL, ["0x01", "latest"])])
def test_other_questions_get_none(evidence: Path, question: tuple[str, list[str]]) -> None:
    with pytest.raises(LedgerError):
        ReplayProvider(evidence).make_request(*question)


@pytest.mark.parametrize("asked", [["0x11", "0x7"], ["0x7"], []])
def test_it_is_read_from_where_it_was_recorded(asked: list[str], tmp_path: Path) -> None:
    """Whoever reads it may not know, or know otherwise, where the ledger begins."""
    recorder = RecordingProvider(_Answers())
    for block in asked:
        with pytest.raises(RpcRefusedError):
            recorder.make_request("eth_getLogs", [{"fromBlock": block, "toBlock": "0x20"}])
    (tmp_path / "evidence.json").write_bytes(recorder.content())
    assert ReplayProvider(tmp_path / "evidence.json").first_block == (7 if asked else 0)


def test_a_malformed_question_for_logs_is_said(tmp_path: Path) -> None:
    recorder = RecordingProvider(_Answers())
    with pytest.raises(RpcRefusedError):
        recorder.make_request("eth_getLogs", [7])
    (tmp_path / "evidence.json").write_bytes(recorder.content())
    with pytest.raises(LedgerError, match="malformed question"):
        assert ReplayProvider(tmp_path / "evidence.json").first_block


def test_the_file_depends_on_the_answers_alone(evidence: Path, tmp_path: Path) -> None:
    recorder = RecordingProvider(_Answers())
    with pytest.raises(RpcRefusedError):
        recorder.make_request(CALL, [{"to": "0x01"}])
    for address in ("0x01", "0x02", "0x01"):
        recorder.make_request(CODE, [address, "latest"])
    (tmp_path / "again.json").write_bytes(recorder.content())
    assert (tmp_path / "again.json").read_bytes() == evidence.read_bytes()


def test_nothing_is_recorded_of_a_node_that_did_not_answer(tmp_path: Path) -> None:
    class _Away(NodeProvider):
        def make_request(self, method: str, params: Any) -> dict[str, Any]:
            raise LedgerError("away")

    recorder = RecordingProvider(_Away())
    with pytest.raises(LedgerError):
        recorder.make_request(CODE, [])
    (tmp_path / "evidence.json").write_bytes(recorder.content())
    with pytest.raises(LedgerError, match="not in the evidence"):
        ReplayProvider(tmp_path / "evidence.json").make_request(CODE, [])


def _changed(evidence: Path, change: Any) -> bytes:
    content = json.loads(evidence.read_bytes())
    change(content)
    return canonical_json(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(format="hearth-chain-evidence/2"),
        lambda content: content.update(more=1),
        lambda content: content.update(entries={}),
        lambda content: content["entries"].append(content["entries"][0]),
        lambda content: content["entries"].reverse(),
        lambda content: content["entries"][0].update(more=1),
        lambda content: content["entries"][0].update(result=1),
        lambda content: content["entries"][0].pop("refusal"),
        lambda content: content["entries"][0]["refusal"].update(code="3"),
        lambda content: content["entries"][1].update(params={}),
        lambda content: content["entries"][1].update(method=7),
        lambda content: content["entries"].append(5),
    ],
)
def test_another_form_is_refused(evidence: Path, change: Any) -> None:
    evidence.write_bytes(_changed(evidence, change))
    with pytest.raises(LedgerError):
        ReplayProvider(evidence)


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b"{}", b"[]", b'{"entries": [], "format": "x"}'])
def test_other_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "evidence.json").write_bytes(content)
    with pytest.raises(LedgerError):
        ReplayProvider(tmp_path / "evidence.json")


def test_size_before_parse(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_EVIDENCE_BYTES", evidence.stat().st_size - 1)
    with pytest.raises(LedgerError, match="larger"):
        ReplayProvider(evidence)


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        ReplayProvider(tmp_path / "none")
