"""``hearth audit`` as it is called: what it takes for a block, and the exit codes of its verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from protocol.identifiers import to_hex
from scripts.cli import app
from scripts.commands.audit import _write_proofs
from scripts.commands.outcome import OutputError
from storage.ledger.ethereum import abi
from storage.ledger.proof_file import ProofFile
from tests.samples import DOMAIN

BAD_LEAF = abi.proofs()["badLeaf"].hash[:4]
NOWHERE = "http://127.0.0.1:1"  # where nobody listens


def run(folder: Path, *options: str) -> tuple[int, str]:
    where = ["audit", "--rpc-url", NOWHERE, "--ledger", str(DOMAIN), "--store", str(folder / "store"), "--task", "1"]
    ran = CliRunner().invoke(app, [*where, *options])
    return ran.exit_code, ran.output


@pytest.mark.parametrize("block", ["", "latest", "12", to_hex(bytes(31)), "0x" + "G" * 64])
def test_a_block_is_named_by_its_hash(tmp_path: Path, block: str) -> None:
    code, _ = run(tmp_path, "--block", block)
    assert code == 2


@pytest.mark.parametrize("vouched", [(), ("--block", to_hex(bytes(32))), ("--other-rpc-url", NOWHERE)])
def test_an_endpoint_for_which_nobody_vouches_has_a_verdict_and_an_exit_code_of_its_own(
    tmp_path: Path, vouched: tuple[str, ...]
) -> None:
    verdict = tmp_path / "verdict.json"
    code, output = run(tmp_path, *vouched, "--json", str(verdict))
    assert code == 4
    assert "UNVERIFIED ENDPOINT 27 endpoint" in output and output.splitlines()[-1].startswith("UNVERIFIED ENDPOINT: ")
    assert json.loads(verdict.read_text())["verdict"] == "UNVERIFIED ENDPOINT"


def test_a_proof_that_is_too_large_takes_no_verdict_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An allocation of a thousand clients makes one that no node takes as a transaction."""
    large, small = (ProofFile("badLeaf", 1, 2, bytes(20), BAD_LEAF + bytes(size)) for size in (200_000, 100))
    _write_proofs(tmp_path, [large, small])
    lost, written = capsys.readouterr().out.splitlines()
    assert lost.startswith(f"no proof of badLeaf of {to_hex(bytes(20))} in round 2: ")
    assert f"{len(large.proof)} bytes" in lost
    assert written == f"proof: {next(tmp_path.iterdir())}"


def test_proofs_that_cannot_be_written_are_an_output_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        _write_proofs(tmp_path / "file", [ProofFile("badLeaf", 1, 2, bytes(20), BAD_LEAF + bytes(100))])
    assert capsys.readouterr().out.startswith("no proof of badLeaf of ")
