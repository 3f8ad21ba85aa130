"""The published contracts' code as it must stand on chain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass

from eth_hash.auto import keccak

from protocol.domain import Domain, uint256
from protocol.identifiers import Address
from protocol.messages.chain import ReputationRules
from protocol.signing import domain_separator
from protocol.version import PROTOCOL_NAME, PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class PublishedCode:
    """Of one contract as compiled. ``immutables``: (start, length) of what its constructor fills in."""

    code: bytes
    immutables: tuple[tuple[int, int], ...]


def expected_codes(
    published: Mapping[str, PublishedCode],
    codes: Mapping[str, bytes],
    domain: Domain,
    contracts: Collection[Address],
    rules: ReputationRules,
) -> dict[str, bytes]:
    """By contract name, to be held against ``codes``, which are the chain's.

    Constructors fill immutables in (EIP-712 domain, rules, addresses of the other ``contracts``). Where they stand, the
    chain's own word is taken if it is one that the arguments allow; anything else stays zero and so differs.
    """
    allowed = _immutable_words(domain, contracts, rules)
    return {name: _filled(one, codes.get(name, b""), allowed) for name, one in published.items()}


def _filled(published: PublishedCode, code: bytes, allowed: set[bytes]) -> bytes:
    expected = bytearray(published.code)
    for start, length in published.immutables:
        word = code[start : start + length]
        expected[start : start + length] = word if word in allowed else bytes(length)
    return bytes(expected)


def _immutable_words(domain: Domain, contracts: Collection[Address], rules: ReputationRules) -> set[bytes]:
    texts = [PROTOCOL_NAME.encode(), PROTOCOL_VERSION.encode()]
    short_strings = {text.ljust(31, b"\0") + bytes([2 * len(text)]) for text in texts}
    short_strings |= {text.ljust(31, b"\0") + bytes([len(text)]) for text in texts}
    hashes = {keccak(text) for text in texts} | {uint256(value) for value in astuple(rules)}
    addresses = {address.rjust(32, b"\0") for address in (domain.ledger, *contracts)}
    return short_strings | hashes | addresses | {domain_separator(domain), uint256(domain.chain_id)}
