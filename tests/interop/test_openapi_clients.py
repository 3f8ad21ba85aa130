"""Clients that other people's generators make of the API's description read a running server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.api.fields import instant
from protocol.identifiers import to_hex
from scripts.checks.locked_environment import locked_environment
from scripts.checks.node_tools import NODE_MODULES, ensure_node, ensure_packages
from scripts.checks.openapi import FILE
from tests.unit.backend.api.scene_api import Api, played
from tests.unit.backend.api.serving import serving

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(played().app) as server:
        yield server.url


def truth(api: Api) -> dict[str, Any]:
    """What a client must find, from chain and documents."""
    records = [api.scene.record(number) for number in (1, 2)]
    return {
        "title": api.scene.spec.title,
        "state": "ended",
        "next": None,
        "parameters": 21,
        "epsilon": records[-1].charge.figure.decimal,
        "rounds": [[number, to_hex(record.model)] for number, record in enumerate(records, 1)],
        "earned": [str(amount) for _, amount in sorted(api.scene.owed().items())],
        "held": str(api.scene.ledger.task(1).escrow),
        "models": [to_hex(record.model) for record in reversed(records)],
        "year": instant(api.scene.ledger.task(1).task_until).year,
        "missing": "E_NOT_FOUND",
    }


def run(*command: str | Path, folder: Path) -> str:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_python(url: str, tmp_path: Path) -> None:
    python = locked_environment("openapi")
    settings = tmp_path / "settings.yml"
    settings.write_text("post_hooks: []\npackage_name_override: edge_client\n")
    generate = ["-m", "openapi_python_client", "generate", "--path", str(FILE), "--meta", "none", "--fail-on-warning"]
    client = tmp_path / "edge_client"
    run(python, *generate, "--config", str(settings), "--output-path", str(client), folder=tmp_path)
    found = run(python, "-P", str(HERE / "openapi_client.py"), str(tmp_path), url, folder=tmp_path)
    assert json.loads(found) == truth(played())


def test_typescript(url: str, tmp_path: Path) -> None:
    ensure_packages()
    node = ensure_node() / "node"
    (tmp_path / "node_modules").symlink_to(NODE_MODULES, target_is_directory=True)
    (tmp_path / "client.mts").write_text((HERE / "openapi_client.mts").read_text())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    generator = NODE_MODULES / "openapi-typescript" / "bin" / "cli.js"
    run(node, generator, FILE, "--output", "schema.d.ts", folder=tmp_path)
    options = ["--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom", "--skipLibCheck"]
    run(node, NODE_MODULES / "typescript" / "bin" / "tsc", *options, "client.mts", folder=tmp_path)
    assert json.loads(run(node, "client.mjs", url, folder=tmp_path)) == truth(played())
