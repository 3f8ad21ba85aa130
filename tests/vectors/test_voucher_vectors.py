"""Vouchers agree with every vector; the broken ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.messages.vouchers import VoucherTerms
from protocol.randomness import SeededRandomness
from protocol.vouchers.blinding import Statement, blind, unblind, verify_voucher
from protocol.vouchers.permutation import check_key
from protocol.vouchers.signing import VoucherKey
from tests.oracles import vouchers as oracle
from tests.vectors import write_encryption

Json = dict[str, Any]
GOOD = json.loads((write_encryption.FOLDER / "vouchers.json").read_text())
BROKEN = json.loads((write_encryption.FOLDER / "vouchers_broken.json").read_text())


def key_of(case: Json) -> VoucherKey:
    return VoucherKey(int(case["p"], 16), int(case["q"], 16))


def terms_of(case: Json, **changes: Any) -> VoucherTerms:
    said = {"modulus": case["modulus"], "roots": case["roots"], **changes}
    return VoucherTerms(bytes.fromhex(said["modulus"]), tuple(map(bytes.fromhex, said["roots"])))


def statement_of(case: Json) -> Statement:
    domain = Domain(int(case["chain_id"]), bytes.fromhex(case["ledger"]))
    modulus = bytes.fromhex(GOOD["keys"][case["key"]]["modulus"])
    return Statement(domain, modulus, int(case["task"]), bytes.fromhex(case["client"]))


@pytest.mark.parametrize("case", GOOD["keys"], ids=["first", "second"])
def test_keys(case: Json) -> None:
    assert key_of(case).terms() == terms_of(case)
    assert terms_of(case).key.hex() == case["key"]
    assert check_key(terms_of(case)) == int(case["modulus"], 16)


@pytest.mark.parametrize("case", GOOD["vouchers"], ids=lambda case: case["name"])
def test_vouchers(case: Json) -> None:
    statement, blinding = statement_of(case), bytes.fromhex(case["blinding"])
    assert f"{statement.hash:0512x}" == case["hash"]
    shown = blind(statement, blinding)
    assert shown.hex() == case["blinded"]
    signature = key_of(GOOD["keys"][case["key"]]).sign(shown, SeededRandomness(b"a mask that nobody sees"))
    assert signature.hex() == case["signature"]
    voucher = unblind(statement, blinding, signature)
    assert voucher.hex() == case["voucher"]
    verify_voucher(statement, voucher, Party.CLIENT)


@pytest.mark.parametrize("case", BROKEN["vouchers"], ids=lambda case: case["name"])
def test_broken_vouchers(case: Json) -> None:
    statement = statement_of(GOOD["vouchers"][0])
    with pytest.raises(HearthError, match="E_VERIFICATION"):
        verify_voucher(statement, bytes.fromhex(case["voucher"]), Party.CLIENT)


@pytest.mark.parametrize("case", BROKEN["moduli"], ids=lambda case: case["name"])
def test_broken_moduli(case: Json) -> None:
    terms = terms_of(GOOD["keys"][0], modulus=case["modulus"])
    with pytest.raises(HearthError, match="E_VERIFICATION"):
        check_key(terms)


@pytest.mark.parametrize("case", BROKEN["roots"], ids=lambda case: case["name"])
def test_broken_roots(case: Json) -> None:
    with pytest.raises(HearthError, match="a root is wrong"):
        check_key(terms_of(GOOD["keys"][0], roots=case["roots"]))


def test_the_oracle_refuses_what_we_refuse() -> None:
    key, first = GOOD["keys"][0], GOOD["vouchers"][0]
    n, roots = int(key["modulus"], 16), [int(root, 16) for root in key["roots"]]
    assert oracle.proves(n, roots)
    assert not any(oracle.proves(int(case["modulus"], 16), roots) for case in BROKEN["moduli"])
    assert not any(oracle.proves(n, [int(root, 16) for root in case["roots"]]) for case in BROKEN["roots"])
    said = int(first["hash"], 16)
    assert oracle.holds(n, said, int(first["voucher"], 16))
    sized = [case["voucher"] for case in BROKEN["vouchers"] if len(case["voucher"]) == 512]
    assert not any(oracle.holds(n, said, int(voucher, 16)) for voucher in sized)
