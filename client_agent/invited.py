"""What an invitation says, held against chain and content before a word of its task is shown.

Nobody else is asked: not the edge servers that it names, whose every answer is checked anyway once a phone works.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from client_agent.followed_task import DocumentAbsentError
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.invitation import MAX_URLS, Invitation
from protocol.messages.chain import LedgerRules, TaskPosted, TaskView
from protocol.messages.following import NO_CLIENT
from protocol.messages.task import TaskSpec
from protocol.round.planning import check_terms
from protocol.task.documents import Absent, Delivered, Kind
from protocol.task.fold import fold
from protocol.task.runnable import check_ledger, check_runnable
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.ledger.interface import LedgerReader, WrongChainError
from storage.task_reader import look_up


class VerifiableLedger(LedgerReader, Protocol):
    def verify_contract(self) -> None:
        """Raises WrongContractError unless a ledger of this protocol version and chain is at the address."""
        ...


@dataclass(frozen=True, slots=True)
class Invited:
    """All of it is as the invitation says. ``now`` in seconds of block time."""

    invitation: Invitation
    posted: TaskPosted
    spec: TaskSpec
    view: TaskView
    rules: LedgerRules
    now: int


def verify_invitation(invitation: Invitation, ledger: VerifiableLedger, store: ContentStore) -> Invited:
    """Raises the first thing that does not agree, with whose fault it was.

    WrongChainError, WrongContractError: the endpoint or the contract is not what is named. VerificationError: there is
    no such task, or with another spec or other terms. SpecError: it cannot run, or not on this ledger.
    DocumentAbsentError: its spec cannot be read. LedgerError, StoreUnavailableError: nothing follows.
    """
    where = f"{to_hex(invitation.domain.ledger)} on chain {invitation.domain.chain_id}"
    if ledger.domain != invitation.domain:
        found = f"{to_hex(ledger.domain.ledger)} on chain {ledger.domain.chain_id}"
        raise WrongChainError(f"the invitation is to ledger {where}, and this is {found}")
    ledger.verify_contract()
    rules, tasks, number = ledger.rules(), ledger.task_count(), invitation.task
    if number > tasks:
        raise _refusal(f"names task {number}, and ledger {where} has {tasks}")
    view = ledger.task(number)
    if view.spec != invitation.spec:
        raise _refusal(f"names spec {to_hex(invitation.spec)}, and task {number} has {to_hex(view.spec)} on chain")
    state = fold(number, ledger.events(number, client=NO_CLIENT), only=NO_CLIENT)
    posted = state.posted
    if posted is None or posted.terms.spec != view.spec:
        raise VerificationError(f"the chain shows no posting of task {number} as it has it", fault=Party.LEDGER)
    spec = _spec_of(state, posted, store)
    check_terms(posted.terms, spec)
    check_runnable(spec)
    check_ledger(spec, rules, tasks)
    return Invited(invitation, posted, spec, view, rules, ledger.now())


def urls_by_server(invitations: Iterable[Invitation], ledger: LedgerReader) -> dict[Address, tuple[str, ...]]:
    """Where the acting edge servers of tasks can be reached to which a household was invited before.

    The ledger knows servers by their accounts alone. A server may have moved meanwhile; phones check what it answers.
    Raises LedgerError.
    """
    found: dict[Address, dict[str, None]] = {}
    for one in invitations:
        here = (one.domain.chain_id, one.domain.ledger) == (ledger.domain.chain_id, ledger.domain.ledger)
        if here and one.task <= ledger.task_count():
            found.setdefault(ledger.task(one.task).edge_server, {}).update(dict.fromkeys(one.edge_urls))
    return {server: tuple(urls)[:MAX_URLS] for server, urls in found.items()}


def _spec_of(state: TaskState, posted: TaskPosted, store: ContentStore) -> TaskSpec:
    wanted = next(one for one in state.wanted() if one.kind is Kind.SPEC)
    spec = fold(state.task, (posted, Delivered(wanted, look_up(store, wanted)))).spec
    if isinstance(spec, Absent):
        raise DocumentAbsentError(Kind.SPEC, spec)
    return spec


def _refusal(what: str) -> VerificationError:
    """Whoever invites speaks for the manufacturer."""
    return VerificationError(f"the invitation {what}", fault=Party.MANUFACTURER)
