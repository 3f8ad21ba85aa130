"""An owner's consent: its phone may work for one task, and this is what was shown before."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.identifiers import Address, Digest, Word


@dataclass(frozen=True, slots=True)
class Consent:
    """EIP-712. It stays on the phone; its domain names chain and ledger."""

    task: Word
    client: Address
    spec: Digest
    text: Digest  # SHA-256 of the disclosure as it was shown
    facts: Digest  # SHA-256 of its facts in canonical encoding
