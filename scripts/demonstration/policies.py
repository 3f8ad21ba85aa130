"""The policies of the demonstration's phones and authorities: its cohorts are small, its chain is its own."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.domain import Domain
from protocol.identifiers import Address, to_hex


def phone_policy(domain: Domain, authorities: Sequence[Address], min_clients: int, max_stake: int) -> str:
    """Of a phone that accepts the demonstration's ledger and knows its authorities; the privacy lines are the usual."""
    known = ", ".join(f'"{to_hex(address)}"' for address in authorities)
    return "\n".join(
        [
            *_cohort(min_clients),
            "[trust]",
            "min_confirmations = 0",
            f'chains = [{{ chain_id = {domain.chain_id}, ledgers = ["{to_hex(domain.ledger)}"] }}]',
            f"authorities = [{known}]",
            "[money]",
            f"max_stake = {max_stake}",
            "min_claim_seconds = 86400",
            "",
        ]
    )


def authority_policy(min_clients: int) -> str:
    return "\n".join([*_cohort(min_clients), "[chain]", "min_confirmations = 0", ""])


def _cohort(min_clients: int) -> list[str]:
    return ["[cohort]", f"min_clients = {min_clients}", "max_share = 0.5"]
