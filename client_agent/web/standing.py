"""Where one phone stands in its task: plain values, taken from its state and its journal after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from client_agent.agent import Agent
from client_agent.journal import Sealed
from protocol.identifiers import NATIVE_COIN, Address, Digest
from protocol.messages.chain import Claimed, Compensated, Enrolled, RoundPublished
from protocol.messages.settlement import ProvenEntitlement
from protocol.messages.task import TaskSpec
from protocol.task.ending import is_over
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState
from protocol.task.stopping import stopped_after


@dataclass(frozen=True, slots=True)
class RoundLine:
    """One round as this household sees it. ``accuracy``: of the model after it, on the public test set."""

    number: int
    state: str  # as the contract has it: open, requested, published, abandoned, expired, frozen
    sealed: bool
    accepted: bool  # it is in the batch on chain, or was committed directly
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """``state``: of the task. Amounts are in smallest units of ``token``."""

    client: Address
    state: TaskState
    now: int  # seconds of block time
    title: str
    sealed: Mapping[int, Sealed]
    included: Mapping[int, Digest]  # by round: root of the batch that holds the update
    envelopes: Mapping[int, Digest]
    proven: tuple[ProvenEntitlement, ...]  # leaves that this phone has seen and checked
    claims: tuple[Claimed, ...]
    compensated: tuple[Compensated, ...]
    voucher_held: bool = False  # redeemed, and shown with the enrolment or still to be

    @property
    def token(self) -> Address:
        return NATIVE_COIN if self.state.posted is None else self.state.posted.terms.token

    @property
    def voucher(self) -> str:
        """``held`` or ``needed``; empty where the task needs none."""
        if self.state.posted is None or not any(self.state.posted.terms.voucher_key):
            return ""
        return "held" if self.voucher_held else "needed"

    @property
    def enrolled(self) -> Enrolled | None:
        return self.state.enrolled.get(self.client)

    @property
    def left(self) -> bool:
        return self.client in self.state.left

    @property
    def earned(self) -> int:
        """As proven so far."""
        return max((one.entitlement.cumulative for one in self.proven), default=0)

    @property
    def paid(self) -> int:
        """On chain."""
        return max((one.cumulative for one in self.claims), default=0) + sum(one.amount for one in self.compensated)

    @property
    def payments(self) -> tuple[Claimed | Compensated, ...]:
        """As they stand on chain."""
        return tuple(sorted((*self.claims, *self.compensated), key=lambda one: (one.block, one.log_index)))

    @property
    def rounds(self) -> int:
        """At most."""
        return self.state.total_rounds

    @property
    def over(self) -> bool:
        return is_over(self.state, self.now) or stopped_after(self.state) is not None

    @property
    def reputation(self) -> int | None:
        """As the ledger has it: after the last claim, else at the enrolment."""
        claim = self.state.claims.get(self.client)
        if claim is not None:
            return claim.reputation
        return None if self.enrolled is None else self.enrolled.reputation

    def is_included(self, facts: RoundFacts) -> bool:
        """In the batch that the chain has now."""
        return facts.batched is not None and self.included.get(facts.number) == facts.batched.root

    def lines(self) -> tuple[RoundLine, ...]:
        found = list[RoundLine]()
        for facts in self.state.rounds:
            ended = facts.ended
            accuracy = None
            if isinstance(ended, RoundPublished) and ended.examples:
                accuracy = ended.correct / ended.examples
            accepted = self.is_included(facts) or self.client in facts.directs
            found.append(
                RoundLine(facts.number, facts.state.name.lower(), facts.number in self.sealed, accepted, accuracy)
            )
        return tuple(found)


def standing_of(agent: Agent) -> Standing:
    """Between two of its steps."""
    followed, journal, client = agent.followed, agent.journal, agent.address
    state, spec = followed.state, followed.state.spec
    compensated = sorted(
        (one for (_, who), one in state.compensated.items() if who == client), key=lambda one: one.round
    )
    claims = [one for one in followed.events if isinstance(one, Claimed) and one.client == client]
    return Standing(
        client=client,
        state=state,
        now=followed.now,
        title=spec.title if isinstance(spec, TaskSpec) else "",
        sealed=dict(journal.sealed),
        included={number: one.root for number, one in journal.included.items()},
        envelopes=dict(journal.envelopes),
        proven=agent.entitlements.proven,
        voucher_held=journal.voucher is not None,
        claims=tuple(claims),
        compensated=tuple(compensated),
    )
