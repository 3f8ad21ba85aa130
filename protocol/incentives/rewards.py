"""Who is owed what after a round, as a cumulative allocation: accepted clients, and servers of a published round."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from protocol import merkle
from protocol.domain import entitlement_leaf
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest
from protocol.incentives.contribution import Progress, contribution
from protocol.incentives.reputation import after_round, weight_of
from protocol.incentives.screened import contributions, who_took_part
from protocol.messages.screening import ScreeningVerdict
from protocol.messages.settlement import Allocation, Entitlement, ProvenEntitlement, Verdict
from protocol.messages.task import TaskSpec


def first_allocation(task: int, reputations: Mapping[Address, int]) -> Allocation:
    """Before any round is settled: every enrolled client, nothing earned."""
    return admit(Allocation(task, 0, ()), reputations)


def admit(allocation: Allocation, newcomers: Mapping[Address, int]) -> Allocation:
    """With those who enrolled since, by their reputations. Fees that one of them earned before stay its own."""
    if not newcomers:
        return allocation
    entries = {entry.client: entry for entry in allocation.entitlements}
    for client, reputation in newcomers.items():
        earned = entries[client].cumulative if client in entries else 0
        entries[client] = Entitlement(client, earned, reputation)
    return replace(allocation, entitlements=tuple(entries[client] for client in sorted(entries)))


def fees(spec: TaskSpec, publisher: Address, authorities: Collection[Address]) -> dict[Address, int]:
    """Of a published round: for the server that published it, and for each of the ``authorities`` that made its key."""
    earned = Counter({publisher: spec.rewards.edge_fee})
    for authority in authorities:
        earned[authority] += spec.rewards.authority_fee
    return {holder: amount for holder, amount in earned.items() if amount}


def settle(
    spec: TaskSpec,
    before: Allocation,
    round_number: int,
    verdict: Verdict,
    progress: Progress | None,
    served: Mapping[Address, int],
    screened: ScreeningVerdict | None = None,
) -> Allocation:
    """The allocation after a settled round. ``before``: the one that stands, with everybody who enrolled before the
    opening. ``progress``: None where there is no new model, of an abandoned round or one that came to garbage.
    ``served``: the round's fees. ``screened``: what the round's openings say; None where it was not screened.

    Participation is paid either way: the clients do not decide whether a sum can be decrypted. Contribution is paid
    for a better model only: by openings, or by weight, which is a client's reputation before the round.
    """
    accepted, present, terms = set(verdict.accepted), who_took_part(verdict, screened), spec.reputation
    entries = {entry.client: entry for entry in before.entitlements}
    # a server's leaf is no client's: it waits for nothing
    serving = {*spec.edge_servers, *spec.committee.members}
    counted = {c: entry.reputation for c, entry in entries.items() if entry.reputation or c not in serving}
    reputations = after_round(counted, verdict, terms, screened)
    divided = dict[Address, int]()
    if progress is not None and screened is not None:
        divided = contributions(spec.screening, screened, accepted, progress, spec.rewards)

    def earned(client: Address) -> int:
        if client not in present or client not in entries:
            return 0
        share = divided.get(client, 0)
        if progress is not None and screened is None:
            share = contribution(weight_of(entries[client].reputation, terms), terms.maximum, progress, spec.rewards)
        return spec.rewards.participation + share

    def leaf(holder: Address) -> Entitlement:
        so_far = entries[holder].cumulative if holder in entries else 0
        return Entitlement(holder, so_far + earned(holder) + served.get(holder, 0), reputations.get(holder, 0))

    holders = sorted(entries.keys() | served.keys())
    return Allocation(before.task, round_number, tuple(leaf(holder) for holder in holders))


def total_owed(allocation: Allocation) -> int:
    return sum(entry.cumulative for entry in allocation.entitlements)


def leaves(allocation: Allocation) -> list[Digest]:
    return [entitlement_leaf(allocation.task, index, entry) for index, entry in enumerate(allocation.entitlements)]


def allocation_root(allocation: Allocation) -> Digest:
    return _tree(allocation).root


def _tree(allocation: Allocation) -> merkle.Tree:
    """Of the last few that were asked for it is at hand: a server looks at the same one with every move, and each of
    its phones asks for a leaf."""
    for known, tree in tuple(_TREES):
        if known is allocation:
            return tree
    made = merkle.Tree(leaves(allocation))
    _TREES.append((allocation, made))
    return made


_TREES: Final[deque[tuple[Allocation, merkle.Tree]]] = deque(maxlen=4)


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
            return ProvenEntitlement(allocation.round, index, entry, _tree(allocation).proof(index))
    raise KeyError(client)


def verify_entitlement(root: Digest, task: int, client: Address, proven: ProvenEntitlement) -> None:
    """Raises VerificationError unless it is ``client``'s leaf under the allocation root recorded on chain."""
    if proven.entitlement.client != client:
        raise VerificationError("the entitlement is another client's", fault=Party.EDGE_SERVER)
    try:
        merkle.verify(root, entitlement_leaf(task, proven.index, proven.entitlement), proven.proof)
    except VerificationError as error:
        raise VerificationError(f"entitlement: {error.args[0]}", fault=Party.EDGE_SERVER) from error
