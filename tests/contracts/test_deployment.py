"""What one transaction puts on chain.

given the compiled contracts
    should each leave 2 KB of the code that a contract may have
    should be created by one transaction
    should keep the same variables in the same places of storage
given a ledger on chain
    should have its three contracts at the addresses that follow from its own, with the published code to the byte
given the second part of the ledger
    when it is called at its own address
        should keep nothing of the ledger's, and give back what it was paid
"""

from __future__ import annotations

from dataclasses import astuple

import pytest

from contracts import artifact
from protocol.audit.codes import expected_codes
from protocol.deployment import JUDGE, LEDGER, TASKS, contract_addresses
from protocol.domain import Domain
from protocol.messages.chain import DEFAULT_RULES, ReputationRules
from scripts.chain.development import CHAIN_ID
from storage.evidence import published_codes
from storage.ledger.ethereum.calls import deployment, encode_call
from tests.contracts.scene import Scene

CODE_LIMIT = 24_576  # EIP-170
CREATION_LIMIT = 49_152  # EIP-3860
ROOM = 2_048  # for what the contracts have yet to learn


@pytest.mark.parametrize("name", [LEDGER, TASKS, JUDGE])
def test_should_leave_room_in_each_part(name: str) -> None:
    assert len(published_codes()[name].code) <= CODE_LIMIT - ROOM


def test_should_be_created_by_one_transaction() -> None:
    assert len(deployment(DEFAULT_RULES)) <= CREATION_LIMIT


def test_should_agree_on_the_storage() -> None:
    kept = artifact(LEDGER)["storage"]
    assert kept == artifact(TASKS)["storage"]
    assert kept["variables"]["_tasks"] == {"slot": 3, "offset": 0, "type": "uint256"}


@pytest.mark.parametrize("rules", [DEFAULT_RULES, ReputationRules(maximum=9, floor=4, waiting_seconds=77)])
def test_should_have_the_published_code_to_the_byte(deployed: Scene, rules: ReputationRules) -> None:
    chain, address = deployed.ledger.chain, deployed.ledger.create(deployment(rules))
    codes = {name: chain.code(part, None) for name, part in contract_addresses(address).items()}
    assert codes == expected_codes(published_codes(), Domain(CHAIN_ID, address), rules)


def test_should_give_back_what_the_second_part_was_paid_at_its_own_address(deployed: Scene) -> None:
    ledger = deployed.ledger
    other = contract_addresses(ledger.address)[TASKS]
    posting = encode_call("postTask", astuple(deployed.terms))
    ledger.transact(ledger.manufacturer, other, posting, deployed.escrow())
    assert (ledger.view("taskCount"), ledger.balance(ledger.address)) == (0, 0)
    paid = ledger.balance(ledger.manufacturer.address)
    ledger.pass_to(ledger.now + deployed.terms.enrolment_seconds + deployed.terms.roster_seconds + 1)
    ledger.transact(ledger.stranger, other, encode_call("refund", 1))
    assert ledger.balance(ledger.manufacturer.address) - paid == deployed.escrow()
