"""Code as it must stand on chain: of any number of contracts, with nothing in it but what constructors may write."""

from __future__ import annotations

import pytest

from protocol.audit.codes import PublishedCode, expected_codes
from protocol.domain import uint256
from protocol.messages.chain import DEFAULT_RULES
from tests.samples import DOMAIN

OTHER = b"\x0c" * 20
PUBLISHED = {
    "Ledger": PublishedCode(b"code of the ledger" + bytes(64) + b"end", ((18, 32), (50, 32))),
    "Judge": PublishedCode(b"code of the judge" + bytes(32), ((17, 32),)),
    "Library": PublishedCode(b"code without a hole", ()),
}
DEPLOYED = {
    "Ledger": b"code of the ledger" + OTHER.rjust(32, b"\0") + uint256(DOMAIN.chain_id) + b"end",
    "Judge": b"code of the judge" + DOMAIN.ledger.rjust(32, b"\0"),
    "Library": b"code without a hole",
}


def _expected(codes: dict[str, bytes]) -> dict[str, bytes]:
    return expected_codes(PUBLISHED, codes, DOMAIN, [OTHER], DEFAULT_RULES)


def test_what_constructors_may_write_is_as_published() -> None:
    assert _expected(DEPLOYED) == DEPLOYED


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_other_byte_differs(name: str) -> None:
    for place in range(len(DEPLOYED[name])):
        code = DEPLOYED[name][:place] + bytes([DEPLOYED[name][place] ^ 1]) + DEPLOYED[name][place + 1 :]
        changed = DEPLOYED | {name: code}
        assert [one for one, code in _expected(changed).items() if code != changed[one]] == [name]


def test_a_contract_that_is_not_there_or_is_longer_differs() -> None:
    assert all(_expected({}).values())
    longer = DEPLOYED | {"Judge": DEPLOYED["Judge"] + b"\0"}
    assert _expected(longer)["Judge"] != longer["Judge"]
