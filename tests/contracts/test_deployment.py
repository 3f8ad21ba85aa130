"""What one transaction puts on chain.

given the compiled contracts
    should each leave 2 KB of the code that a contract may have
    should each be created by one transaction, HearthTasks along with its judge
    should keep the same variables in the same places of storage
given a ledger on chain
    should have its three contracts at the addresses that follow from its code, with the published code to the byte
    should be told from one whose parts have other rules
given the second part of the ledger
    when it is called at its own address
        should keep nothing of the ledger's, and give back what it was paid
"""

from __future__ import annotations

from dataclasses import astuple

import pytest

from contracts import artifact
from protocol.audit.codes import expected_codes, named_tasks
from protocol.deployment import JUDGE, LEDGER, TASKS, contract_addresses
from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.messages.chain import DEFAULT_RULES, LedgerRules
from scripts.chain.development import CHAIN_ID
from storage.evidence import published_codes
from storage.ledger.ethereum.calls import encode_call, ledger_creation, tasks_creation
from tests.contracts.scene import Scene

CODE_LIMIT = 24_576  # EIP-170
CREATION_LIMIT = 49_152  # EIP-3860
OTHER_RULES = LedgerRules(maximum=9, floor=4, waiting_seconds=77, claim_seconds=3)
ROOM = 512  # for what the contracts have yet to learn


@pytest.mark.parametrize("name", [LEDGER, TASKS, JUDGE])
def test_should_leave_room_in_each_part(name: str) -> None:
    assert len(published_codes()[name].code) <= CODE_LIMIT - ROOM


def test_should_each_be_created_by_one_transaction() -> None:
    for code in (tasks_creation(DEFAULT_RULES), ledger_creation(DEFAULT_RULES, bytes(20))):
        assert len(code) <= CREATION_LIMIT


def test_should_agree_on_the_storage() -> None:
    kept = artifact(LEDGER)["storage"]
    assert kept == artifact(TASKS)["storage"]
    assert kept["variables"]["_tasks"] == {"slot": 3, "offset": 0, "type": "uint256"}


@pytest.mark.parametrize("rules", [DEFAULT_RULES, OTHER_RULES])
def test_should_have_the_published_code_to_the_byte(deployed: Scene, rules: LedgerRules) -> None:
    codes, expected = _codes(deployed, deployed.ledger.deploy(rules), rules)
    assert codes == expected


def test_should_be_told_from_one_whose_parts_have_other_rules(deployed: Scene) -> None:
    tasks = deployed.ledger.create(tasks_creation(OTHER_RULES))
    codes, expected = _codes(deployed, deployed.ledger.create(ledger_creation(DEFAULT_RULES, tasks)), DEFAULT_RULES)
    assert [name for name in expected if codes[name] != expected[name]] == [TASKS]


def _codes(scene: Scene, ledger: Address, rules: LedgerRules) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Those on chain, and those that there should be."""
    chain, published = scene.ledger.chain, published_codes()
    tasks = named_tasks(published[LEDGER], chain.code(ledger, None))
    codes = {name: chain.code(part, None) for name, part in contract_addresses(ledger, tasks).items()}
    return codes, expected_codes(published, Domain(CHAIN_ID, ledger), rules, tasks)


def test_should_give_back_what_the_second_part_was_paid_at_its_own_address(deployed: Scene) -> None:
    ledger = deployed.ledger
    other = named_tasks(published_codes()[LEDGER], ledger.chain.code(ledger.address, None))
    posting = encode_call("postTask", astuple(deployed.terms))
    ledger.transact(ledger.manufacturer, other, posting, deployed.escrow())
    assert (ledger.view("taskCount"), ledger.balance(ledger.address)) == (0, 0)
    paid = ledger.balance(ledger.manufacturer.address)
    ledger.pass_to(ledger.now + deployed.terms.enrolment_seconds + deployed.terms.roster_seconds + 1)
    ledger.transact(ledger.stranger, other, encode_call("refund", 1))
    assert ledger.balance(ledger.manufacturer.address) - paid == deployed.escrow()
