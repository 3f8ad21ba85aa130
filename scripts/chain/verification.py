"""What a block explorer asks of who deployed, for each of the three contracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

from contracts import ARTIFACTS, metadata
from protocol.deployment import JUDGE, LEDGER, TASKS, contract_addresses
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import LedgerRules
from storage.ledger.ethereum import abi


def verification(ledger: Address, tasks: Address, rules: LedgerRules) -> Iterator[str]:
    """Lines for people: one input for all, then address, name and ABI-encoded constructor arguments of each."""
    told = metadata(LEDGER)
    yield "to verify the sources with a block explorer:"
    yield f"  compiler v{told['compiler']['version']}, standard JSON input {ARTIFACTS / f'{LEDGER}.input.json'}"
    arguments = {LEDGER: (astuple(rules), tasks), TASKS: (astuple(rules),), JUDGE: ()}
    for name, address in contract_addresses(ledger, tasks).items():
        encoded = abi.encode(abi.constructor(name), arguments[name]).hex() or "none"
        yield f"  {to_hex(address)} {name}.sol:{name}, constructor arguments {encoded}"
