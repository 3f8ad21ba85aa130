"""The code that the contracts of a ledger have on chain, to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.deployment import JUDGE, TASKS, contract_addresses
from protocol.domain import Domain, uint256
from protocol.identifiers import Address
from protocol.keccak import keccak
from protocol.messages.chain import LedgerRules
from protocol.signing import domain_separator
from protocol.version import PROTOCOL_NAME, PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class PublishedCode:
    """Of one contract as compiled. ``immutables``: the places of 32 bytes that its constructor fills in, by name."""

    code: bytes
    immutables: Mapping[str, tuple[int, ...]]


def named_tasks(ledger: PublishedCode, deployed: bytes) -> Address:
    """Where the deployed code of a ledger says that its HearthTasks stands: what is there is still to be compared."""
    start = ledger.immutables["_hearthTasks"][0]
    return deployed[start : start + 32][12:].rjust(20, b"\0")


def expected_codes(
    published: Mapping[str, PublishedCode], domain: Domain, rules: LedgerRules, tasks: Address
) -> dict[str, bytes]:
    """By contract name, of the ledger that delegates to ``tasks``; nothing else is the chain's word."""
    addresses = contract_addresses(domain.ledger, tasks)
    return {
        name: _filled(published[name], _immutables(address, addresses, domain.chain_id, rules))
        for name, address in addresses.items()
    }


def _filled(published: PublishedCode, values: Mapping[str, bytes]) -> bytes:
    code = bytearray(published.code)
    for name, places in published.immutables.items():
        for start in places:
            code[start : start + 32] = values[name]
    return bytes(code)


def _immutables(own: Address, addresses: Mapping[str, Address], chain_id: int, rules: LedgerRules) -> dict[str, bytes]:
    """Of the contract at ``own``; the last seven are those of OpenZeppelin's EIP712."""
    name, version = PROTOCOL_NAME.encode(), PROTOCOL_VERSION.encode()
    return {
        "_maximum": uint256(rules.maximum),
        "_floor": uint256(rules.floor),
        "_waitingSeconds": uint256(rules.waiting_seconds),
        "_claimSeconds": uint256(rules.claim_seconds),
        "_judge": _word(addresses[JUDGE]),
        "_hearthTasks": _word(addresses[TASKS]),
        "_cachedThis": _word(own),
        "_cachedChainId": uint256(chain_id),
        "_cachedDomainSeparator": domain_separator(Domain(chain_id, own)),
        "_hashedName": keccak(name),
        "_hashedVersion": keccak(version),
        "_name": _short_string(name),
        "_version": _short_string(version),
    }


def _word(address: Address) -> bytes:
    return address.rjust(32, b"\0")


def _short_string(text: bytes) -> bytes:
    """OpenZeppelin's ShortString: at most 31 bytes, then their number."""
    return text.ljust(31, b"\0") + bytes([len(text)])
