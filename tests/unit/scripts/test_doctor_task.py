"""``hearth doctor`` on the servers and the content of one task, and on a database of records."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner

from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.identifiers import to_hex
from protocol.messages.task import Committee, TaskSpec
from protocol.model.layout import Layout
from protocol.round.planning import terms_of
from protocol.version import PROTOCOL_VERSION
from scripts.chain.development import CHAIN_ID
from scripts.chain.server import chain_in_background
from scripts.commands.doctor import doctor
from storage.content.filesystem import FilesystemStore
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer
from storage.records.database import Database, database_url, open_engine
from tests.samples import private_key, sample_spec
from tests.unit.storage.gateway import gateway

APP = typer.Typer()
APP.command()(doctor)
MEMBERS = tuple(Signer(private_key(f"authority {j}")).address for j in (1, 2))
EDGE = Signer(FUNDED_KEY)
TEST_SET = b"a test set, as far as its bytes go"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with chain_in_background() as url:
        yield url


def spec_in(store: FilesystemStore) -> TaskSpec:
    spec = sample_spec()
    layout = Layout.of(spec.model)
    initial = store.put(layout.to_safetensors(np.zeros(layout.dimension, dtype=np.float32))).digest
    test_set = store.put(TEST_SET).digest
    committee = Committee(2, MEMBERS, 0)
    made = replace(spec, initial_model=initial, test_set=test_set, committee=committee, edge_server=EDGE.address)
    store.put(encode(made))
    return made


@pytest.fixture(scope="module")
def scene(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Domain, Path]:
    """A ledger with one task on it, and the store that has its content."""
    folder = tmp_path_factory.mktemp("store")
    spec = spec_in(FilesystemStore(folder))
    domain = Domain(CHAIN_ID, deploy(endpoint, CHAIN_ID, EDGE)[0])
    ledger = EthereumLedger(endpoint, domain, EDGE)
    ledger.post_task(terms_of(spec), spec.budget())
    ledger.close()
    return domain, folder


def lines(*arguments: object, code: int) -> list[str]:
    ended = CliRunner().invoke(APP, list(map(str, arguments)))
    assert ended.exit_code == code, ended.output
    return ended.output.splitlines()


def about(found: list[str], subject: str) -> list[str]:
    return [line for line in found if line[6:].startswith(subject)]


def of_task(endpoint: str, domain: Domain, folder: Path, *more: object, code: int = 0) -> list[str]:
    return lines("--rpc-url", endpoint, "--ledger", domain, "--store", folder, "--task", 1, *more, code=code)


def test_servers_of_the_terms_are_found_whether_or_not_they_are_named(
    endpoint: str, scene: tuple[Domain, Path]
) -> None:
    domain, folder = scene
    identity = {"address": to_hex(EDGE.address), "chain_id": CHAIN_ID, "ledger": to_hex(domain.ledger)}
    with gateway() as edge:
        edge.body = json.dumps({**identity, "version": PROTOCOL_VERSION, "block": 0}).encode()
        found = of_task(endpoint, domain, folder, "--edge", edge.url)
    (server,) = about(found, "its server")
    assert f"at {edge.url}" in server and "bond" in server
    for line, member in zip(about(found, "its authority"), MEMBERS, strict=True):
        assert to_hex(member) in line and ("not placed" in line or "no coin" in line)
    assert "has read block 0" in about(found, "chain lag")[0]


def test_content_is_read_back_from_every_store(endpoint: str, scene: tuple[Domain, Path], tmp_path: Path) -> None:
    domain, folder = scene
    copies = tmp_path / "copies"
    shutil.copytree(folder, copies)
    found = of_task(endpoint, domain, folder, "--pin-url", copies)
    assert [line[:4] for line in about(found, "read back")] == ["ok  ", "ok  "]
    assert "3 objects of the task" in about(found, "content")[0]
    (lost,) = [path for path in copies.iterdir() if path.read_bytes().startswith(b"a test set")]
    lost.write_bytes(b"another test set")
    whole, broken = about(of_task(endpoint, domain, folder, "--pin-url", copies, code=1), "read back")
    assert (
        whole.startswith("ok")
        and broken.startswith("fail")
        and "1 of 3 cannot be read, the first is a test set" in broken
    )
    assert "one store alone" in about(of_task(endpoint, domain, folder), "copies")[0]


def test_the_seed_says_which_objects_are_read(endpoint: str, scene: tuple[Domain, Path], tmp_path: Path) -> None:
    domain, folder = scene
    copies = tmp_path / "copies"
    shutil.copytree(folder, copies)
    contents = sorted((path.read_bytes() for path in copies.iterdir()), key=lambda data: cid_of(data).digest)
    (copies / cid_of(TEST_SET).text).unlink()
    meets = [random.Random(seed).sample(contents, 1) == [TEST_SET] for seed in range(4)]
    assert {*meets} == {True, False}
    for seed, lost in enumerate(meets):
        chosen = ("--pin-url", copies, "--sample", 1, "--seed", seed)
        (_, copy) = about(of_task(endpoint, domain, folder, *chosen, code=int(lost)), "read back")
        assert copy.startswith("fail" if lost else "ok")


def test_a_number_that_no_task_has(endpoint: str, scene: tuple[Domain, Path]) -> None:
    found = lines("--rpc-url", endpoint, "--ledger", scene[0], "--task", 7, code=1)
    assert "no task 7" in about(found, "task")[0]


def test_a_database_is_looked_at_and_not_changed(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'records.sqlite3'}"
    found = lines("--database", address, code=0)
    assert "is not there" in about(found, "database")[0] and not (tmp_path / "records.sqlite3").exists()
    with Database(database_url(address)) as database:
        database.records("mine").close()
    found = lines("--database", address, code=0)
    assert "answers in" in about(found, "database")[0] and "version 0001" in about(found, "schema")[0]
    assert "taken back" in about(found, "records write")[0]
    engine = open_engine(database_url(address))
    with engine.begin() as connection:
        assert (
            connection.execute(text("SELECT count(*) FROM records_streams WHERE name = 'hearth doctor'")).scalar() == 0
        )
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "newer than this program's" in about(lines("--database", address, code=1), "schema")[0]


def test_a_database_that_is_away_is_one_line() -> None:
    found = lines("--database", "postgresql://nobody@127.0.0.1:1/none", code=1)
    (line,) = about(found, "database")
    assert line.startswith("fail") and "Traceback" not in line and not about(found, "schema")
