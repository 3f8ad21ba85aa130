"""What a key authority asks of its own chain before it signs anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backend.key_authority.endpoints import ChainReader
from protocol.domain import Domain
from protocol.errors import EncryptionError, HearthError, Party, VerificationError
from protocol.identifiers import Address, Digest, Label
from protocol.messages.chain import Enrolled, RoundView
from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.round.commitments import SignerOf
from protocol.round.state_table import RoundState
from storage.ledger.interface import TransactionRevertedError

AUTHORITY = 2  # role of a bond's holder, as the ledger numbers them

_DEAD = (RoundState.ABANDONED, RoundState.EXPIRED)


class RefusedError(HearthError):
    """Nothing is answered: it is not on chain, not known here, or not for this authority. ``code`` says which."""

    code = "E_REFUSED"


class ChainChecks:
    """Of the authority with the account ``own``. May be shared by threads. Raises LedgerError where the chain cannot
    be asked."""

    def __init__(self, reader: ChainReader, own: Address) -> None:
        self.reader, self.own = reader, own

    @property
    def domain(self) -> Domain:
        return self.reader.domain

    def number(self, spec: TaskSpec) -> int:
        """This authority's place in the committee, 1..m."""
        members = spec.committee.members
        if members.count(self.own) != 1:
            message = "this authority is not in the committee once"
            raise RefusedError(message, code="E_COMMITTEE", fault=Party.MANUFACTURER)
        return members.index(self.own) + 1

    def check_bond(self, task: int, spec: TaskSpec) -> None:
        """Nothing is signed by which the ledger could not convict this authority, nor after it did."""
        with on_chain(f"task {task}"):
            bond = self.reader.bond(task, self.own)
        if bond.role != AUTHORITY:
            raise RefusedError("this authority was dismissed", code="E_DISMISSED", fault=Party.KEY_AUTHORITY)
        if spec.deposits.authority and not bond.amount:
            raise RefusedError("this authority has not placed its bond", code="E_BOND", fault=Party.KEY_AUTHORITY)

    def signer_of(self, task: int) -> SignerOf:
        """By the enrolments on this authority's own chain."""
        events = self.reader.events(task)
        named = {event.client: event.signer for event in events if isinstance(event, Enrolled)}
        return lambda client: named.get(client, client)

    def requested(self, task: int, number: int, confirmations: int, label: Label, request: Digest) -> RoundView:
        """The round whose label and request for a key on chain these are."""
        view = self._round(task, number, confirmations)
        unrequested = view.state in (RoundState.NONE, RoundState.OPEN)
        if unrequested or (view.label, view.request) != (label, request):
            raise _not_recorded(number)
        return view

    def screening_requested(
        self, task: int, number: int, confirmations: int, label: Label, request: Digest
    ) -> RoundView:
        """The round whose label and request for openings on chain these are."""
        view = self._round(task, number, confirmations)
        if view.state is RoundState.NONE or (view.label, view.screening) != (label, request):
            raise _not_recorded(number)
        return view

    def check_alive(self, view: RoundView, waits: RoundState) -> None:
        """Raises EncryptionError ``E_EXPIRED`` for a round in which nothing new is answered any more; in the state
        ``waits`` not after the time to settle it."""
        if view.state in _DEAD or (view.state is waits and self.reader.now() > view.settle_until):
            raise EncryptionError("the round is over", code="E_EXPIRED", fault=Party.EDGE_SERVER)

    def _round(self, task: int, number: int, confirmations: int) -> RoundView:
        with on_chain(f"round {number} of task {task}"):
            return self.reader.round(task, number, confirmations)


def check_cohort_root(view: RoundView, plan: RoundPlan) -> None:
    if (view.cohort_root, view.cohort) != (plan.cohort.root, plan.cohort.count):
        raise VerificationError("the cohort on chain is not the plan's", fault=Party.EDGE_SERVER)


@contextmanager
def on_chain(what: str) -> Iterator[None]:
    try:
        yield
    except TransactionRevertedError as error:
        raise not_on_chain(what) from error


def not_on_chain(what: str) -> RefusedError:
    return RefusedError(f"not on chain: {what}", code="E_NOT_ON_CHAIN", fault=Party.EDGE_SERVER)


def _not_recorded(number: int) -> RefusedError:
    """Nothing is logged and nothing burnt: the chain decides which request of a round there is."""
    message = f"not the request of round {number} on chain"
    return RefusedError(message, code="E_NOT_RECORDED", fault=Party.EDGE_SERVER)
