"""Who is owed what after a round: participation and contribution of accepted updates, as a cumulative allocation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from protocol import merkle
from protocol.domain import entitlement_leaf
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest
from protocol.incentives.contribution import Progress, contribution
from protocol.incentives.reputation import after_round, weight_of
from protocol.messages.settlement import Allocation, Entitlement, ProvenEntitlement, Verdict
from protocol.messages.task import TaskSpec


def first_allocation(task: int, reputations: dict[Address, int]) -> Allocation:
    """Before round 1: every enrolled client, nothing earned."""
    return Allocation(task, 0, tuple(Entitlement(c, 0, reputations[c]) for c in sorted(reputations)))


def settle(
    spec: TaskSpec, previous: Allocation, round_number: int, verdict: Verdict, progress: Progress | None
) -> Allocation:
    """The allocation after a settled round; ``progress`` is None when it was abandoned.

    Participation is paid either way: the clients do not decide whether a sum can be decrypted. Contribution is paid
    for a better model only. A client's weight is its reputation before the round, as in the plan.
    """
    accepted, terms = set(verdict.accepted), spec.reputation
    before = {entry.client: entry.reputation for entry in previous.entitlements}
    reputations = after_round(before, verdict, terms)

    def earned(client: Address) -> int:
        if client not in accepted:
            return 0
        share = 0
        if progress is not None:
            share = contribution(weight_of(before[client], terms), terms.maximum, progress, spec.rewards)
        return spec.rewards.participation + share

    return Allocation(
        previous.task,
        round_number,
        tuple(
            Entitlement(
                entry.client,
                entry.cumulative + earned(entry.client),
                reputations[entry.client],
            )
            for entry in previous.entitlements
        ),
    )


def total_owed(allocation: Allocation) -> int:
    return sum(entry.cumulative for entry in allocation.entitlements)


def leaves(allocation: Allocation) -> list[Digest]:
    return [entitlement_leaf(allocation.task, index, entry) for index, entry in enumerate(allocation.entitlements)]


def allocation_root(allocation: Allocation) -> Digest:
    return merkle.root(leaves(allocation))


@dataclass(frozen=True, slots=True)
class ClaimBatch:
    """Many leaves of one allocation under one multiproof: (index, leaf), by descending index."""

    leaves: tuple[tuple[int, Entitlement], ...]
    proof: tuple[Digest, ...]
    flags: tuple[bool, ...]


def claim_batch(allocation: Allocation, clients: Collection[Address]) -> ClaimBatch:
    """The claims of all ``clients`` that the allocation lists, for one transaction."""
    chosen = [(i, entry) for i, entry in enumerate(allocation.entitlements) if entry.client in clients]
    proof, flags = merkle.multiproof(leaves(allocation), [index for index, _ in chosen])
    return ClaimBatch(tuple(reversed(chosen)), proof, flags)


def claim_proof(allocation: Allocation, client: Address) -> ProvenEntitlement:
    """With which anyone can send this client's claim. Raises KeyError if absent."""
    for index, entry in enumerate(allocation.entitlements):
        if entry.client == client:
            return ProvenEntitlement(allocation.round, index, entry, merkle.proof(leaves(allocation), index))
    raise KeyError(client)


def verify_entitlement(root: Digest, task: int, client: Address, proven: ProvenEntitlement) -> None:
    """Raises VerificationError unless it is ``client``'s leaf under the allocation root recorded on chain."""
    if proven.entitlement.client != client:
        raise VerificationError("the entitlement is another client's", fault=Party.EDGE_SERVER)
    try:
        merkle.verify(root, entitlement_leaf(task, proven.index, proven.entitlement), proven.proof)
    except VerificationError as error:
        raise VerificationError(f"entitlement: {error.args[0]}", fault=Party.EDGE_SERVER) from error
