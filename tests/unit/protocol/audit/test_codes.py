"""Code as it must stand on chain: each immutable has its one value. Real code: tests/contracts/test_deployment.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.audit.codes import PublishedCode, expected_codes
from protocol.deployment import JUDGE, LEDGER, TASKS, contract_addresses
from protocol.domain import Domain, uint256
from protocol.messages.chain import DEFAULT_RULES
from protocol.signing import domain_separator
from tests.samples import DOMAIN

ADDRESSES = contract_addresses(DOMAIN.ledger)
PUBLISHED = {
    LEDGER: PublishedCode(b"ledger" + bytes(64) + b"end", {"_hearthTasks": (6,), "_cachedDomainSeparator": (38,)}),
    TASKS: PublishedCode(b"tasks" + bytes(96), {"_judge": (5, 37), "_cachedThis": (69,)}),
    JUDGE: PublishedCode(b"judge" + bytes(32), {"_ledger": (5,)}),
}
DEPLOYED = {
    LEDGER: b"ledger" + ADDRESSES[TASKS].rjust(32, b"\0") + domain_separator(DOMAIN) + b"end",
    TASKS: b"tasks" + 2 * ADDRESSES[JUDGE].rjust(32, b"\0") + ADDRESSES[TASKS].rjust(32, b"\0"),
    JUDGE: b"judge" + DOMAIN.ledger.rjust(32, b"\0"),
}


def test_immutables_are_filled_in() -> None:
    assert expected_codes(PUBLISHED, DOMAIN, DEFAULT_RULES) == DEPLOYED


def test_each_domain_has_codes_of_its_own() -> None:
    """No immutable of one ledger is valid in another one, nor on another chain."""
    for other in (Domain(DOMAIN.chain_id, b"\x0c" * 20), Domain(DOMAIN.chain_id + 1, DOMAIN.ledger)):
        assert expected_codes(PUBLISHED, other, DEFAULT_RULES)[LEDGER] != DEPLOYED[LEDGER]


@pytest.mark.parametrize(
    ("immutable", "member"), [("_maximum", "maximum"), ("_floor", "floor"), ("_waitingSeconds", "waiting_seconds")]
)
def test_each_rule_has_its_own_immutable(immutable: str, member: str) -> None:
    published = PUBLISHED | {LEDGER: PublishedCode(bytes(32), {immutable: (0,)})}
    rules = replace(DEFAULT_RULES, **{member: 77})
    assert expected_codes(published, DOMAIN, rules)[LEDGER] == uint256(77)


def test_an_immutable_of_another_name_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        expected_codes(PUBLISHED | {JUDGE: PublishedCode(bytes(32), {"_unknown": (0,)})}, DOMAIN, DEFAULT_RULES)
