"""The policies of the demonstration's phones and authorities: its cohorts are small, its chain is its own."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.domain import Domain
from protocol.identifiers import Address, to_hex
from protocol.messages.learning import MechanismTerms
from protocol.privacy.mechanisms import has_guarantee


def phone_policy(
    domain: Domain,
    authorities: Sequence[Address],
    min_clients: int,
    max_stake: int,
    mechanism: MechanismTerms | None = None,
) -> str:
    """Of a phone that accepts the demonstration's ledger and knows its authorities; its limits of epsilon are usual.

    ``mechanism``: of a task that counts others' noise, or guarantees nothing; its owner allows that.
    """
    chain = f'{{ chain_id = {domain.chain_id}, ledgers = ["{to_hex(domain.ledger)}"] }}'
    allowed = _allowing(mechanism) if mechanism is not None else []
    return "\n".join([*_cohort(min_clients), *allowed, *_trust(chain, authorities), *_money(max_stake), ""])


def development_policy(chain_id: int, authorities: Sequence[Address], min_clients: int) -> str:
    """Of a phone that accepts whatever ledger is on this chain: it is made before there is one."""
    trust = _trust(f"{{ chain_id = {chain_id} }}", authorities)
    return "\n".join([*_cohort(min_clients), *trust, *_money(0), ""])


def authority_policy(min_clients: int) -> str:
    return "\n".join([*_cohort(min_clients), "[chain]", "min_confirmations = 0", ""])


def _allowing(mechanism: MechanismTerms) -> list[str]:
    anything = str(not has_guarantee(mechanism)).lower()
    return ["[privacy]", f"honest_clients = {mechanism.honest_clients}", f"without_guarantee = {anything}"]


def _cohort(min_clients: int) -> list[str]:
    return ["[cohort]", f"min_clients = {min_clients}", "max_share = 0.5"]


def _trust(chain: str, authorities: Sequence[Address]) -> list[str]:
    known = ", ".join(f'"{to_hex(address)}"' for address in authorities)
    return ["[trust]", "min_confirmations = 0", f"chains = [{chain}]", f"authorities = [{known}]"]


def _money(max_stake: int) -> list[str]:
    return ["[money]", f"max_stake = {max_stake}", "min_claim_seconds = 86400"]
