"""Whether a task takes this account: the contract's rules, looked at before the owner is asked and before it is sent.

The ledger has the last word. But a relay keeps a refusal to itself, so what can be known is said at once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from client_agent.instants import instant
from protocol.errors import HearthError, Party
from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.chain import LedgerRules, Standing, TaskTerms, TaskView
from protocol.round.state_table import RoundState
from protocol.task.ending import task_over
from storage.ledger.interface import LedgerReader

_RUNNING: Final = (RoundState.OPEN, RoundState.REQUESTED)


class PlaceError(HearthError):
    """The task does not take this account, or not now. ``facts``: the numbers of its message."""

    def __init__(self, message: str, *, fault: Party = Party.OURS, code: str | None = None, **facts: int) -> None:
        super().__init__(message, fault=fault, code=code)
        self.facts = facts


class EnrolmentOverError(PlaceError):
    """The task is full or over, or the account has other keys there."""

    code = "E_ENROLMENT_OVER"


class TaskFullError(EnrolmentOverError):
    """``facts``: ``enrolled`` and ``most`` clients."""


class AccountBoundError(PlaceError):
    """Another task holds the account, until its last reward there is claimed. ``facts``: ``task``, and ``until`` in
    seconds of block time at the latest."""

    code = "E_ACCOUNT_BOUND"


class ReputationError(PlaceError):
    """The account's reputation is lower than what the task admits. ``facts``: ``yours``, ``least``."""

    code = "E_REPUTATION"


def require_place(
    ledger: LedgerReader, task: int, terms: TaskTerms, client: Address, kept: Collection[Digest], now: int
) -> None:
    """``kept``: envelopes of this phone, which may be on their way; ``now`` in seconds of block time.

    Raises PlaceError, LedgerError.
    """
    envelope = ledger.enrolment(task, client).envelope
    if envelope in kept:
        return  # it is mined, and seen with the next look
    if any(envelope):
        raise enrolled_elsewhere(client)
    view = ledger.task(task)
    if (why := _closed(view, now)) is not None:
        raise EnrolmentOverError(f"task {task} takes no more clients: {why}", fault=Party.MANUFACTURER)
    if view.enrolled >= view.max_clients:
        full = f"task {task} takes no more clients: it is full, with {view.enrolled} of {view.max_clients}"
        raise TaskFullError(full, fault=Party.MANUFACTURER, enrolled=view.enrolled, most=view.max_clients)
    standing = ledger.standing(client)
    if standing.task not in (0, task):
        _require_free(ledger, standing.task, client, now)
    if standing.source:
        _require_reputation(ledger, task, terms, client, standing, now)


def enrolled_elsewhere(client: Address) -> EnrolmentOverError:
    """The account is in the task, with keys that this folder does not have."""
    return EnrolmentOverError(
        f"account {to_hex(client)} is enrolled already, with keys that are in another folder: start its phone with the"
        " --folder that it had then"
    )


def why_over(view: TaskView, task: int, left: bool, now: int) -> str:
    """For the owner of a phone for which no later round comes."""
    if left:
        return f"this account left task {task}"
    return f"task {task} is over: {_closed(view, now) or 'no round opens any more'}"


def _closed(view: TaskView, now: int) -> str | None:
    if view.stopped:
        return "too few of its servers or key authorities are left"
    if view.last_round == view.rounds:
        return f"its last round, {view.rounds}, was opened"
    if now > view.task_until:
        return f"its time was over {instant(view.task_until, now)}"
    if task_over(view, now):
        return f"only {view.enrolled} of at least {view.min_clients} clients had enrolled in time"
    return None


def _require_free(ledger: LedgerReader, other: int, client: Address, now: int) -> None:
    view, own = ledger.task(other), ledger.enrolment(other, client)
    if now > view.claim_until or (own.left and not own.left_round):
        return
    last = own.left_round if own.left else view.last_round
    root, _ = view.payable(now)
    if not any(root) and (own.left or task_over(view, now)) and not _undecided(ledger, other, view, last, now):
        return
    raise AccountBoundError(
        f"account {to_hex(client)} works for task {other} until its last reward there is claimed, at the latest until"
        f" its claims end, {instant(view.claim_until, now)}. Let this account's phone of task {other} run to its end,"
        " or take another account (hearth key new)",
        fault=Party.CLIENT,
        task=other,
        until=view.claim_until,
    )


def _undecided(ledger: LedgerReader, other: int, view: TaskView, last: int, now: int) -> bool:
    """A round up to ``last`` may still change what the account gets."""
    if 0 < view.pending_round <= last and now < view.payable_from:
        return True
    return bool(last) and ledger.round(other, last).state in _RUNNING


def _require_reputation(
    ledger: LedgerReader, task: int, terms: TaskTerms, client: Address, standing: Standing, now: int
) -> None:
    rules = ledger.rules()
    reputation = _gained(rules, standing, now)
    sources = terms.reputation_sources
    counts = standing.source == task or not sources or ledger.task(standing.source).manufacturer in sources
    if not counts and reputation >= min(rules.floor, terms.initial_reputation):
        return  # it counts as none, as that of a new account does
    if reputation < terms.min_reputation:
        waiting = ""
        if reputation < rules.floor:
            waiting = f"; below {rules.floor} it gains one in {rules.waiting_seconds} seconds"
        raise ReputationError(
            f"account {to_hex(client)} has a reputation of {reputation}, and task {task} asks for"
            f" {terms.min_reputation} at least{waiting}. An account that never worked begins at"
            f" {terms.initial_reputation}",
            fault=Party.CLIENT,
            yours=reputation,
            least=terms.min_reputation,
        )


def _gained(rules: LedgerRules, standing: Standing, now: int) -> int:
    missing = max(0, rules.floor - standing.reputation)
    return standing.reputation + min(missing, max(0, now - standing.since) // rules.waiting_seconds)
