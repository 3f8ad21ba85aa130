"""What an auditor cannot read says nothing against the task: UNKNOWN, in few words, whatever is in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from protocol.audit.report import Report, Status
from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.identifiers import to_hex
from scripts.cli import app
from scripts.commands.auditor import Endpoint, audit_endpoint, run_audit
from storage.content.interface import ContentStore, StoreUnavailableError
from storage.content.kubo_client import KuboStore
from storage.content.memory import MemoryStore
from storage.content.patient import PatientStore
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.replay import RecordingProvider, ReplayProvider
from storage.ledger.ethereum.rpc import JsonRpcProvider
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.ports.kubo_fake import KuboFake
from tests.ports.unsteady_store import Time
from tests.tiny_task import funded_ledger


@dataclass
class Kept:
    """An honest task: its objects, and the chain's answers in a file."""

    player: Player
    evidence: Path
    store: Path
    block: str

    def audit(self, store: ContentStore) -> Report:
        reader = EthereumReader(ReplayProvider(self.evidence), self.player.reader.ledger)
        return run_audit(reader, store, self.player.task)

    def command(self, **changed: str | Path) -> tuple[int, list[str]]:
        given: dict[str, object] = {"evidence": self.evidence, "store": self.store, "block": self.block}
        options = given | {"task": self.player.task, "ledger": self.player.domain} | changed
        ran = CliRunner().invoke(app, ["audit", *(str(part) for o, v in options.items() for part in (f"--{o}", v))])
        return ran.exit_code, ran.output.splitlines()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    player, folder = Player(funded_ledger("unreadable"), rounds=2), tmp_path_factory.mktemp("unreadable")
    player.play(1, Conduct(direct=(0,)))
    player.claim(0, 1, 2, 3, 4)
    recorder = RecordingProvider(JsonRpcProvider(player.chain.rpc_url))
    block = Node(recorder).block(Node(recorder).block_number())
    assert block is not None
    endpoint = Endpoint(recorder, player.domain, (), block.hash)
    assert audit_endpoint(endpoint, player.store, player.task).status is Status.PASS
    run_audit(EthereumReader(recorder, player.reader.ledger), player.store, player.task)  # asks less by proofs
    (folder / "evidence.json").write_bytes(recorder.content())
    for name, data in player.store.objects.items():
        (folder / name).write_bytes(data)
    yield Kept(player, folder / "evidence.json", folder, to_hex(block.hash))
    recorder.close()


def _unknown(report: Report) -> list[str]:
    return [str(line) for line in report.lines if line.status is Status.UNKNOWN]


def test_the_task_itself_passes(kept: Kept) -> None:
    code, lines = kept.command()
    assert (code, lines[-1][:4]) == (0, "PASS")


@pytest.mark.parametrize("place", ["nowhere", "a file"])
def test_a_folder_that_is_none_is_one_line(kept: Kept, tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").touch()
    code, lines = kept.command(store=tmp_path / place)
    (line,) = [line for line in lines[:-1] if not line.startswith("PASS")]
    assert code == 3
    assert line.startswith("UNKNOWN  3 content store: ") and str(tmp_path / place) in line
    assert "(fault: content store)" in line


def _stopped(fake: KuboFake) -> None:
    fake.stop()


def _forbids(fake: KuboFake) -> None:
    fake.forbidden = True


DAEMONS: dict[str, tuple[Callable[[KuboFake], None], str]] = {
    "down": (_stopped, "Connection refused"),
    "forbidden": (_forbids, "status 403; name its credentials"),
}


@pytest.mark.parametrize("case", DAEMONS)
def test_a_daemon_that_cannot_be_reached_is_one_line(kept: Kept, case: str) -> None:
    (harm, words), time = DAEMONS[case], Time()
    with KuboFake() as fake:
        harm(fake)
        store = KuboStore(fake.url, timeout_seconds=5)
        report = kept.audit(PatientStore(store, time.patience()))
        store.close()
    assert report.status is Status.UNKNOWN
    (line,) = _unknown(report)
    assert fake.url in line and words in line
    assert time.now < 15, "waited for more than once"


class Breaking(MemoryStore):
    """Cannot be reached after so many objects; counts."""

    def __init__(self, objects: dict[str, bytes], after: int) -> None:
        super().__init__()
        self.objects, self.after, self.asked = objects, after, 0

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        self.asked += 1
        if self.asked > self.after:
            raise StoreUnavailableError("the daemon has gone")
        return super().get(cid, max_bytes, chunk_bytes)


def test_a_store_that_breaks_meanwhile_is_one_line_and_not_asked_again(kept: Kept) -> None:
    whole = Breaking(kept.player.store.objects, 1000)
    assert kept.audit(whole).status is Status.PASS
    for after in range(0, whole.asked, 5):
        broken = Breaking(kept.player.store.objects, after)
        report = kept.audit(broken)
        assert report.status is Status.UNKNOWN
        assert [line for line in _unknown(report) if "the daemon has gone" in line] == _unknown(report)[-1:]
        assert broken.asked == after + 1


def test_rotten_bytes_are_the_stores_fault_alone(kept: Kept) -> None:
    rotten = MemoryStore()
    rotten.objects = {name: data[:-1] + bytes([data[-1] ^ 1]) for name, data in kept.player.store.objects.items()}
    report = kept.audit(rotten)
    assert report.status is Status.UNKNOWN
    named = [line for line in _unknown(report) if "needs" not in line]
    assert named and all("gives other bytes" in line and "(fault: content store)" in line for line in named)


EVIDENCE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "a web page": lambda content: b"<html></html>",
    "other JSON": lambda content: b'{"format":"else"}',
}


@pytest.mark.parametrize("case", EVIDENCE)
def test_evidence_that_is_none_is_one_line(kept: Kept, tmp_path: Path, case: str) -> None:
    damaged = tmp_path / "evidence.json"
    damaged.write_bytes(EVIDENCE[case](kept.evidence.read_bytes()))
    code, lines = kept.command(evidence=damaged)
    assert (code, len(lines)) == (3, 2)
    assert lines[0].startswith("UNKNOWN  1 ledger: ") and str(damaged) in lines[0]


ELSEWHERE = [{"task": "9"}, {"ledger": f"31337:0x{'1' * 40}"}, {"ledger": f"5:0x{'1' * 40}"}]


@pytest.mark.parametrize("changed", ELSEWHERE)
def test_evidence_of_something_else_fails_nobody(kept: Kept, changed: dict[str, str]) -> None:
    code, lines = kept.command(**changed)
    assert code in (3, 4), lines
    assert not [line for line in lines if line.startswith("FAIL")]
    assert len([line for line in lines[:-1] if line.startswith("UNKNOWN")]) == 1
