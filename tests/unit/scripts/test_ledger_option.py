"""``--ledger`` names the contract and its chain: nothing that an endpoint says can stand in for either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from protocol.domain import parse_domain
from protocol.errors import MalformedError
from protocol.identifiers import to_hex
from protocol.signing import domain_separator
from scripts.commands.options import MAX_DEPLOYMENT_BYTES, _domain
from tests.samples import DOMAIN

ADDRESS = to_hex(DOMAIN.ledger)


def test_chain_and_address() -> None:
    assert _domain(str(DOMAIN)) == parse_domain(str(DOMAIN)) == DOMAIN
    assert _domain(f"31337:{ADDRESS.upper().replace('0X', '0x')}") == DOMAIN, "as wallets write it"


def test_a_deployment_file(tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps({"state": "done", "chain_id": DOMAIN.chain_id, "ledger": ADDRESS}))
    assert _domain(str(file)) == DOMAIN
    file.write_text(json.dumps({"state": "done", "chain_id": DOMAIN.chain_id, "ledger": ADDRESS, "block": 17}))
    assert _domain(str(file)).first_block == 17


def test_the_block_where_reading_begins_is_part_of_the_text_and_of_no_signature() -> None:
    known = _domain(f"{DOMAIN}@123")
    assert (known.first_block, str(known), parse_domain(str(known)).first_block) == (123, f"{DOMAIN}@123", 123)
    assert known == DOMAIN and hash(known) == hash(DOMAIN)
    assert domain_separator(known) == domain_separator(DOMAIN)


@pytest.mark.parametrize(
    "text",
    [ADDRESS, "", ":", f":{ADDRESS}", f"0:{ADDRESS}", f"-1:{ADDRESS}", f"1e3:{ADDRESS}", f"\u0661:{ADDRESS}",
     f"{2**256}:{ADDRESS}", f"{'9' * 9_999}:{ADDRESS}", "1:0x00", f"1:{ADDRESS}00", "1", "no such file",
     f"1:{ADDRESS}@", f"1:{ADDRESS}@-1", f"1:{ADDRESS}@0x1", f"1:{ADDRESS}@{10**18}"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="neither CHAIN_ID:ADDRESS"):
        _domain(text)
    with pytest.raises(MalformedError):
        parse_domain(text)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"chain_id": 1}', json.dumps({"chain_id": True, "ledger": ADDRESS}), "[" * MAX_DEPLOYMENT_BYTES],
)
def test_a_file_that_tells_of_no_deployment_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(typer.BadParameter):
        _domain(str(tmp_path / "file"))
