"""One kept, seeded demonstration for all tests that only read it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from protocol.domain import Domain, parse_domain
from scripts.guard import run_guarded
from scripts.launcher import hearth_command
from storage.content.filesystem import FilesystemStore
from storage.ledger.ethereum.anchor import vouched_header
from storage.ledger.ethereum.proven_reader import ProvenReader
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.replay import ReplayProvider

CLIENTS, ROUNDS, SEED = 4, 2, 7


@dataclass(frozen=True)
class KeptDemo:
    """What ``hearth demo --keep`` left behind; every process of it is gone."""

    folder: Path
    figures: dict[str, Any]
    output: str

    @property
    def reader(self) -> EthereumReader:
        """Of the kept evidence, as of the block that the printed command names."""
        provider = ReplayProvider(self.folder / "evidence.json")
        header = vouched_header(provider, (), bytes.fromhex(self.block.removeprefix("0x")))
        return ProvenReader(provider, self.domain.ledger, header, first_block=provider.first_block)

    @property
    def block(self) -> str:
        return self.output.split("--block ")[1].split()[0]

    @property
    def domain(self) -> Domain:
        words = self.output.split()
        return parse_domain(words[words.index("--ledger") + 1])

    @property
    def store(self) -> FilesystemStore:
        return FilesystemStore(self.folder / "store")


def run_demo_command(folder: Path, *more: str, **surroundings: str) -> KeptDemo:
    """Runs the command as its user would, with ``more`` options and more in the environment; fails with its output."""
    command = ["demo", "--clients", str(CLIENTS), "--rounds", str(ROUNDS), "--seed", str(SEED)]
    command += ["--suite", "fe64", "--keep", str(folder), "--json", f"{folder}.json", *more]
    ran = run_guarded([*hearth_command(), *command], {**os.environ, **surroundings}, capture_output=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return KeptDemo(folder, json.loads(Path(f"{folder}.json").read_text()), ran.stdout)


@pytest.fixture(scope="session")
def kept_demo(tmp_path_factory: pytest.TempPathFactory) -> KeptDemo:
    return run_demo_command(tmp_path_factory.mktemp("demo") / "kept; its owner's")
