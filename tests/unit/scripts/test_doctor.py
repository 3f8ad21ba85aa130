"""``hearth doctor``: what is well is said to be, and what is not is named with what mends it, never as a trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from protocol.domain import Domain
from protocol.identifiers import to_hex
from protocol.version import PROTOCOL_VERSION
from scripts.chain.development import CHAIN_ID
from scripts.chain.server import chain_in_background
from scripts.commands.doctor import doctor
from scripts.doctor import account, chain, servers, store
from scripts.doctor.chain import Contact
from scripts.doctor.servers import Answer, clock
from scripts.doctor.verdict import Finding, Grade, Verdict, examined, ok, warn
from storage.evidence import published_codes
from storage.ledger.ethereum.ledger import deploy
from storage.ledger.ethereum.rpc import JsonRpcProvider, RpcRefusedError
from storage.ledger.keystore import write_keystore
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer
from tests.samples import private_key
from tests.unit.storage.gateway import Gateway, gateway

NOBODY = "http://127.0.0.1:1"
APP = typer.Typer()
APP.command()(doctor)


def run(*arguments: object, code: int) -> list[str]:
    """Its lines."""
    ended = CliRunner().invoke(APP, list(map(str, arguments)))
    assert ended.exit_code == code, ended.output
    lines = ended.output.splitlines()
    assert all(line.split()[0] in {*Grade} for line in lines[:-1])
    return lines


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A chain whose time nobody moves."""
    with chain_in_background() as url:
        yield url


@pytest.fixture(scope="module")
def ledger(endpoint: str) -> Domain:
    return Domain(CHAIN_ID, deploy(endpoint, CHAIN_ID, Signer(FUNDED_KEY))[0])


@pytest.fixture
def edge(ledger: Domain) -> Iterator[Gateway]:
    with gateway() as server:
        identity = {"address": "0x" + "11" * 20, "chain_id": ledger.chain_id, "ledger": to_hex(ledger.ledger)}
        server.body = json.dumps({**identity, "version": PROTOCOL_VERSION}).encode()
        yield server


def secrets(folder: Path, key: bytes, mode: int = 0o600) -> tuple[Path, Path]:
    write_keystore(folder / "keystore.json", key, "secret")
    (folder / "password").write_text("secret")
    (folder / "password").chmod(mode)
    return folder / "keystore.json", folder / "password"


def test_without_anything_named_it_looks_at_the_machine_alone() -> None:
    lines = run(code=0)
    assert any(line.startswith("ok    python ") for line in lines)
    assert {"chain", "store", "keystore", "clock"} <= {line.split()[1] for line in lines if line.startswith("-")}


def test_what_is_well_passes_and_is_written_down(endpoint: str, ledger: Domain, edge: Gateway, tmp_path: Path) -> None:
    keystore, password_file = secrets(tmp_path, FUNDED_KEY)
    (tmp_path / "store").mkdir()
    tmp_path.chmod(0o700)
    told = tmp_path / "told.json"
    lines = run(
        *("--rpc-url", endpoint, "--ledger", f"{ledger.chain_id}:{to_hex(ledger.ledger)}"),
        *("--store", tmp_path / "store", "--write", "--edge", edge.url, "--authority", edge.url, "--folder", tmp_path),
        *("--keystore", keystore, "--password-file", password_file, "--json", told),
        code=0,
    )  # fmt: skip
    findings = json.loads(told.read_text())["findings"]
    graded = {finding["about"]: finding["grade"] for finding in findings}
    for about in (
        "chain",
        "chain id",
        "synced",
        "proofs",
        "archive",
        "ledger",
        "code",
        "store",
        "store write",
        "clock",
    ):
        assert graded[about] == "ok", about
    for about in ("edge server", "authority", "keystore", "account", "balance", "pending", "folder", "way"):
        assert graded[about] == "ok", about
    assert len(findings) == len(lines) - 1
    assert "0 fail" in lines[-1]


def test_an_endpoint_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    keystore, password_file = secrets(tmp_path, FUNDED_KEY)
    lines = run("--rpc-url", NOBODY, "--keystore", keystore, "--password-file", password_file, code=1)
    (failed,) = [line for line in lines if line.startswith("fail  chain ")]
    assert NOBODY in failed and "name another endpoint" in failed
    assert not [line for line in lines if line.split()[1] in ("proofs", "archive", "code")]


@pytest.mark.parametrize("url", ["", "ftp://example.org", "http://[", "nonsense"])
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    lines = run("--rpc-url", url, "--edge", url, "--store", url or "/nowhere", code=1)
    assert len([line for line in lines if line.startswith("fail  chain ")]) == 1
    assert len([line for line in lines if line.startswith("fail  edge server ")]) == 1


class FakeNode:
    """Answers from a table; an exception in it is raised."""

    url = NOBODY

    def __init__(self, **answers: object) -> None:
        head = {"number": hex(5_000), "hash": "0x" + "22" * 32, "timestamp": hex(1_000_000)}
        self._answers = {"eth_getBlockByNumber": head, "eth_chainId": "0x1", **answers}

    def make_request(self, method: str, params: object) -> dict[str, Any]:
        answer = self._answers[method]
        if isinstance(answer, Exception):
            raise answer
        return {"result": answer}


def refused(method: str) -> RpcRefusedError:
    return RpcRefusedError(method, -32601, "the method is not available")


def contact(now: float = 1_000_001, **answers: object) -> Contact:
    node: Any = FakeNode(**answers)
    return Contact(node, Domain(2, b"\x33" * 20), now)


CHAIN_FAULTS: dict[str, tuple[Callable[[], Verdict], Grade, str]] = {
    "another chain": (lambda: chain.same_chain(contact()), Grade.FAIL, "of chain 1, the ledger of chain 2"),
    "syncing": (
        lambda: chain.synced(contact(eth_syncing={"currentBlock": "0x10", "highestBlock": "0x20"})),
        Grade.FAIL,
        "at block 16 of 32",
    ),
    "silent about syncing": (lambda: chain.synced(contact(eth_syncing=None)), Grade.WARN, "does not say"),
    "stale": (lambda: chain.last_block(contact(now=1_003_600)), Grade.WARN, "3,600 s old"),
    "no proofs": (
        lambda: chain.proofs(contact(eth_getProof=refused("eth_getProof"))), Grade.WARN, "no eth_getProof",
    ),
    "no archive": (
        lambda: chain.archive(contact(eth_getProof=refused("eth_getProof"))), Grade.WARN, "no state of block 4,000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", CHAIN_FAULTS)
def test_an_endpoint_that_will_not_do_is_told_from_one_that_will(fault: str) -> None:
    check, grade, said = CHAIN_FAULTS[fault]
    verdict = check()
    assert (verdict.grade, said in verdict.said) == (grade, True), verdict
    assert verdict.remedy


def test_an_address_without_a_ledger_is_none(endpoint: str) -> None:
    lines = run(*("--rpc-url", endpoint, "--ledger", f"{CHAIN_ID}:0x{'44' * 20}"), code=1)
    assert any(line.startswith("fail  ledger ") and "there is no contract" in line for line in lines)


def test_a_ledger_of_other_code_gets_no_money(endpoint: str, ledger: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {
        name: SimpleNamespace(code=one.code[:-1] + b"\0", immutables=one.immutables)
        for name, one in published_codes().items()
    }
    monkeypatch.setattr(chain, "published_codes", lambda: others)
    with chain.provider_of(endpoint) as provider:
        verdict = chain.published(Contact(provider, ledger, 0))
    assert verdict.grade is Grade.FAIL and "HearthLedger, HearthTasks, HearthJudge" in verdict.said
    assert "send no money" in verdict.remedy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ledger": "0x" + "55" * 20}, "serves the ledger 31337:0x5555"),
        ({"version": "1"}, "speaks protocol version 1"),
        ({"address": None}, "serves"),
    ],
)
def test_a_server_of_something_else_is_told(change: dict[str, Any], said: str, ledger: Domain, edge: Gateway) -> None:
    identity = {**json.loads(edge.body), "ledger": "0x" + "55" * 20, **change}
    edge.body = json.dumps(identity).encode()
    verdict = servers.server(edge.url, ledger, [])
    assert verdict.grade is Grade.FAIL and said in verdict.said


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"<html>"), (200, b"[]"), (502, b"x" * 100_000), (200, b"\x1b[31m")]
)
def test_what_stands_in_a_servers_place_is_no_server(status: int, body: bytes, edge: Gateway) -> None:
    edge.status, edge.body = status, body
    verdict = servers.server(edge.url, None, [])
    assert verdict.grade is Grade.FAIL and f"status {status}" in verdict.said


@pytest.mark.parametrize(("off", "grade"), [(0, Grade.OK), (-59, Grade.OK), (3_600, Grade.WARN), (-86_400, Grade.WARN)])
def test_a_clock_that_is_off_is_said_with_how_far(off: int, grade: Grade) -> None:
    verdict = clock(1_000_000 + off, [], [Answer("http://edge.example", 200, {}, 1_000_000.0)])
    assert verdict.grade is grade
    assert (
        grade is Grade.OK or f"{abs(off):,} s {'ahead of' if off > 0 else 'behind'} http://edge.example" in verdict.said
    )


def test_an_old_last_block_accuses_no_clock_and_one_of_the_future_does() -> None:
    assert clock(1_000_000, [1], []).grade is Grade.SKIPPED
    assert clock(1_000_000, [999_990], []).grade is Grade.OK
    assert "behind the chain's last block" in clock(1_000_000, [1_000_100], []).said


def test_a_store_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert store.store_folder(tmp_path / "none").grade is Grade.WARN
    (tmp_path / "file").touch()
    assert store.store_folder(tmp_path / "file").grade is Grade.FAIL
    lines = run("--store", NOBODY, code=1)
    assert any(line.startswith("fail  store ") and NOBODY in line for line in lines)


def test_keys_that_others_can_read_or_that_do_not_open(tmp_path: Path) -> None:
    keystore, password_file = secrets(tmp_path, private_key("owner"), mode=0o644)
    opened: list[Signer] = []
    verdict = account.keystore(keystore, password_file, opened)
    assert verdict == warn(f"{password_file} can be read by other users of this machine", f"chmod 600 {password_file}")
    assert [signer.address for signer in opened] == [Signer(private_key("owner")).address]
    password_file.write_text("another")
    assert any(line.startswith("fail  keystore ") for line in run(
        "--keystore", keystore, "--password-file", password_file, code=1
    ))  # fmt: skip
    assert any(line.startswith("fail  keystore ") for line in run(
        "--keystore", tmp_path / "none", "--password-file", password_file, code=1
    ))  # fmt: skip


def test_an_account_without_coin_or_with_a_published_key(endpoint: str) -> None:
    assert account.balance(Signer(private_key("poor")), endpoint).grade is Grade.WARN
    assert (
        examined("account", lambda: account.private(Signer(FUNDED_KEY), "https://rpc.example.org"), "").verdict.grade
        is Grade.FAIL
    )


def test_transactions_that_wait_are_counted(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = JsonRpcProvider.make_request

    def two_wait(self: Any, method: str, params: Any) -> dict[str, Any]:
        answer = real(self, method, params)
        return {"result": hex(int(answer["result"], 16) + 2)} if params[1:] == ["pending"] else answer

    monkeypatch.setattr(JsonRpcProvider, "make_request", two_wait)
    verdict = account.pending(Signer(private_key("poor")), endpoint)
    assert verdict.grade is Grade.WARN and "2 transactions wait, from number 0" in verdict.said


def test_whatever_a_check_meets_is_a_line() -> None:
    def broken() -> Verdict:
        raise ZeroDivisionError("a\nb")

    finding = examined("this", broken, "report it")
    assert finding.line.startswith("fail  this") and "\n" not in finding.line
    assert Finding("that", ok("\x1b[31m red")).line.isprintable()
