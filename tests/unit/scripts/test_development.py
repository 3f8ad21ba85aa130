"""What a demonstration in containers is given, and when it has ended."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.key_authority.policy import parse_policy as parse_authority_policy
from client_agent.policy import parse_policy
from protocol.identifiers import parse_address, to_hex
from protocol.messages.chain import TaskView
from scripts.demonstration import development
from scripts.demonstration.development import CHAIN_ID, accounts_archive, await_ended, fund, write_task
from storage.ledger import keystore
from storage.ledger.interface import LedgerError, WrongChainError
from storage.ledger.signer import Signer
from tests.samples import client_address
from tests.unit.storage.ledger.node import node, result

SERVER = client_address(1)
HASH = bytes([7]) * 32


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keystore, "SCRYPT_N", 2)
    with tarfile.open(fileobj=io.BytesIO(accounts_archive(["edge", "authority-1", "phone-1"], 4))) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_each_role_has_an_account_that_its_password_alone_opens(files: Path) -> None:
    told = [parse_address(line) for line in (files / "addresses").read_text().split()]
    signers = [
        Signer.from_keystore(files / f"{role}.json", files / f"{role}.password")
        for role in ("edge", "authority-1", "phone-1")
    ]
    assert [signer.address for signer in signers] == told
    with pytest.raises(keystore.KeystoreError):
        Signer.from_keystore(files / "edge.json", files / "phone-1.password")
    passwords = [path.read_text() for path in files.glob("*.password")]
    assert len(set(passwords)) == 5, "database and broker have their own"
    assert min(map(len, passwords)) == 32


def test_the_policies_know_the_authorities_and_the_chain(files: Path) -> None:
    policy = parse_policy((files / "household-policy.toml").read_bytes())
    addresses = (files / "addresses").read_text().split()
    assert [to_hex(one) for one in policy.trust.authorities] == [addresses[1]]
    assert [(one.chain_id, one.ledgers) for one in policy.trust.chains] == [(CHAIN_ID, ())]
    assert parse_authority_policy((files / "authority-policy.toml").read_bytes()).cohort.min_clients == 2


def test_coin_is_given_on_a_chain_for_development_alone() -> None:
    asked: list[tuple[str, Any]] = []

    def answer(chain_id: int) -> Callable[[dict[str, Any]], bytes]:
        def of(question: dict[str, Any]) -> bytes:
            asked.append((question["method"], question["params"]))
            return result(hex(chain_id))(question)

        return of

    with node(answer(CHAIN_ID)) as url:
        fund(url, [SERVER])
    assert asked[-1] == ("anvil_setBalance", [to_hex(SERVER), hex(development.GRANT_WEI)])
    asked.clear()
    with node(answer(1)) as url, pytest.raises(WrongChainError):
        fund(url, [SERVER])
    assert [method for method, _ in asked] == ["eth_chainId"]


def test_a_task_file_names_each_server_once_and_is_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(development, "identify_edge_server", lambda _: SERVER)
    path = write_task(tmp_path, 2, 3, ["http://edge-1", "http://edge-2"], ["http://a-1", "http://a-2", "http://a-3"])
    text = path.read_text()
    assert text.count(to_hex(SERVER)) == 1, "two processes are one server"
    assert {file.name for file in tmp_path.glob("?.safetensors")} == {"1.safetensors", "2.safetensors"}
    path.write_text("somebody's own")
    write_task(tmp_path, 2, 3, ["http://edge-1"], ["http://a-1"])
    assert path.read_text() == "somebody's own"


class _Chain:
    """Says one of these views at each question; None is no answer."""

    def __init__(self, *views: TaskView | None) -> None:
        self.views, self.provider = list(views), self

    def task(self, _: int) -> TaskView:
        view = self.views.pop(0) if len(self.views) > 1 else self.views[0]
        if view is None:
            raise LedgerError("away")
        return view

    def now(self) -> int:
        return 1_000


class _Node:
    def __init__(self, _: object) -> None:
        pass

    def block(self, _: str) -> Any:
        return type("Head", (), {"hash": HASH})


def test_it_has_ended_when_all_is_settled_and_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(development, "Node", _Node)
    values: dict[str, Any] = dict.fromkeys(TaskView.__dataclass_fields__, 0)
    ended = TaskView(**{
        **values, "rounds": 2, "last_round": 2, "pending_round": 2, "payable_from": 900, "pending_allocated": 10,
        "claimed": 10, "task_until": 10**6, "enrol_until": 10**6, "stopped": False,
    })  # fmt: skip
    early = (
        replace(ended, last_round=1),
        replace(ended, claimed=9),
        replace(ended, deposits=1),
        replace(ended, payable_from=1_001),
    )
    paused: list[float] = []
    chain: Any = _Chain(*early, None, ended)
    assert await_ended(chain, 1, 60, clock=lambda: 0.0, pause=paused.append) == HASH
    assert len(paused) == len(early) + 1
    clock = iter((0.0, 59.0, 61.0))
    with pytest.raises(LedgerError, match="has not ended"):
        await_ended(_Chain(early[0]), 1, 60, clock=lambda: next(clock), pause=paused.append)  # type: ignore[arg-type]
