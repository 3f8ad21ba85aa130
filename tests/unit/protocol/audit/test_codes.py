"""Code as it must stand on chain: each immutable has its one value. Real code: tests/contracts/test_deployment.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.audit.codes import PublishedCode, expected_codes, named_tasks
from protocol.deployment import JUDGE, LEDGER, TASKS, contract_addresses, created_address
from protocol.domain import Domain, uint256
from protocol.messages.chain import DEFAULT_RULES
from protocol.signing import domain_separator
from tests.samples import DOMAIN

TASKS_ADDRESS = b"\x0d" * 20
ADDRESSES = contract_addresses(DOMAIN.ledger, TASKS_ADDRESS)
PUBLISHED = {
    LEDGER: PublishedCode(b"ledger" + bytes(64) + b"end", {"_hearthTasks": (6,), "_cachedDomainSeparator": (38,)}),
    TASKS: PublishedCode(b"tasks" + bytes(96), {"_judge": (5, 37), "_cachedThis": (69,)}),
    JUDGE: PublishedCode(b"judge", {}),
}
DEPLOYED = {
    LEDGER: b"ledger" + ADDRESSES[TASKS].rjust(32, b"\0") + domain_separator(DOMAIN) + b"end",
    TASKS: b"tasks" + 2 * ADDRESSES[JUDGE].rjust(32, b"\0") + ADDRESSES[TASKS].rjust(32, b"\0"),
    JUDGE: b"judge",
}


def test_immutables_are_filled_in() -> None:
    assert expected_codes(PUBLISHED, DOMAIN, DEFAULT_RULES, TASKS_ADDRESS) == DEPLOYED


def test_the_ledger_names_its_tasks() -> None:
    """No code, or a shorter one, names an address where nothing of ours is."""
    assert named_tasks(PUBLISHED[LEDGER], DEPLOYED[LEDGER]) == TASKS_ADDRESS
    for code in (b"", b"ledger", DEPLOYED[LEDGER][:12]):
        assert named_tasks(PUBLISHED[LEDGER], code) == bytes(20)
    assert named_tasks(PUBLISHED[LEDGER], DEPLOYED[LEDGER][:19]) == TASKS_ADDRESS[:1].rjust(20, b"\0")


def test_the_judge_is_the_first_that_the_tasks_created() -> None:
    assert {LEDGER: DOMAIN.ledger, TASKS: TASKS_ADDRESS, JUDGE: created_address(TASKS_ADDRESS, 1)} == ADDRESSES


def test_each_domain_has_codes_of_its_own() -> None:
    """No immutable of one ledger is valid in another one, nor on another chain."""
    for other in (Domain(DOMAIN.chain_id, b"\x0c" * 20), Domain(DOMAIN.chain_id + 1, DOMAIN.ledger)):
        assert expected_codes(PUBLISHED, other, DEFAULT_RULES, TASKS_ADDRESS)[LEDGER] != DEPLOYED[LEDGER]


@pytest.mark.parametrize(
    ("immutable", "member"),
    [
        ("_maximum", "maximum"),
        ("_floor", "floor"),
        ("_waitingSeconds", "waiting_seconds"),
        ("_claimSeconds", "claim_seconds"),
    ],
)
def test_each_rule_has_its_own_immutable(immutable: str, member: str) -> None:
    published = PUBLISHED | {LEDGER: PublishedCode(bytes(32), {immutable: (0,)})}
    rules = replace(DEFAULT_RULES, **{member: 77})
    assert expected_codes(published, DOMAIN, rules, TASKS_ADDRESS)[LEDGER] == uint256(77)


def test_an_immutable_of_another_name_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        published = PUBLISHED | {JUDGE: PublishedCode(bytes(32), {"_unknown": (0,)})}
        expected_codes(published, DOMAIN, DEFAULT_RULES, TASKS_ADDRESS)
