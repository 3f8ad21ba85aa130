"""What an edge server does next for a task: a pure function of chain, content, its own knowledge and the time.

Every wait is a returned deadline. Nothing here is a promise that the move succeeds: whoever performs it looks again
afterwards, so a server may be killed between any two moves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from backend.rounds.envelopes import awaited, missing_anywhere, to_show
from backend.rounds.moves import (
    Abandon,
    AskEndorsements,
    AskKeys,
    CommitBatch,
    DecryptSum,
    End,
    Expire,
    Fetch,
    FollowRequest,
    Knowledge,
    Move,
    Publish,
    ReadTimes,
    Rederive,
    RequestKey,
    ShowEnvelopes,
    ShowTask,
    VerifyUpdates,
    Wait,
)
from backend.rounds.opening import between_rounds, may_answer
from backend.rounds.requested import may_follow
from backend.rounds.screened_moves import before_verdict, may_request
from backend.rounds.withheld import underived
from protocol.errors import EncryptionError
from protocol.identifiers import Address
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Verdict
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.round.key_request import check_quorum, key_request
from protocol.round.objection import batch_window, key_after
from protocol.round.windows import AHEAD, enrolment_window, window_of
from protocol.task.acting import NEVER, acts_after
from protocol.task.documents import Absent
from protocol.task.ending import is_over
from protocol.task.margins import Margins, margins, pace_blocks
from protocol.task.past import allocation_before
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState
from protocol.task.stopping import stopped_after

ASK_SECONDS: Final = 15  # that authorities may take to give their keys


def next_move(state: TaskState, known: Knowledge, now: int) -> Move:
    """``now``: seconds of block time."""
    move = _next(state, known, now)
    if isinstance(move, ShowEnvelopes):
        return move  # it has a patience of its own: one that is new is shown at once
    if isinstance(move, Wait):
        again = [known.not_before.get(AskEndorsements, NEVER)] if known.unendorsed else []
        return _meanwhile(state, known, Wait(min(move.until, *known.underivable.values(), *again, NEVER)), now)
    return Wait(known.not_before[type(move)]) if known.not_before.get(type(move), 0) > now else move


def owed_batch(state: TaskState, server: Address, submissions: Collection[Address], now: int) -> Margins | None:
    """Those of the round whose batch ``server`` still owes the phones of these ``submissions``; None for no such."""
    facts, spec = state.current, state.spec
    if facts is None or isinstance(spec, Absent) or isinstance(state.plan(facts.number), Absent) or not submissions:
        return None
    last = facts.opened.commit_until - spec.durations.objection_seconds
    over = facts.batched is not None or not facts.commits or now > last
    return None if over or now <= acts_after(state, server) else margins(spec, facts.opened, state.times)


def _next(state: TaskState, known: Knowledge, now: int) -> Move:
    posted, spec = state.posted, state.spec
    if posted is None:
        return Wait(NEVER)
    if blocks := _unknown(state, pace_blocks(state.current.opened.block) if state.current else ()):
        return ReadTimes(blocks)
    if batch := _due_batch(state, known, now):
        return batch
    if known.missing:
        return Fetch()
    if blocks := _unknown(state, _timed_blocks(state)):
        return ReadTimes(blocks)
    if isinstance(spec, Absent):
        return Wait(NEVER)
    if state.current is not None:
        return _in_round(state, spec, known, state.current, now)
    if is_over(state, now):
        return End() if now > posted.claim_until else Wait(posted.claim_until + 1)
    if stopped_after(state) is not None:
        return Wait(posted.task_until + 1)
    return between_rounds(state, posted, spec, known, now)


def _meanwhile(state: TaskState, known: Knowledge, wait: Wait, now: int) -> Move:
    """While nothing else is to be done: the keys to which phones seal now and later; then shares for every authority,
    before it erases what opens them."""
    spec = state.spec
    over = is_over(state, now) or stopped_after(state) is not None
    if isinstance(spec, Absent) or not known.told or over or wait.until - now <= ASK_SECONDS:
        return wait
    length = spec.cohort.roster_rounds
    window, last = enrolment_window(len(state.rounds), length), window_of(state.total_rounds, length)
    lacking = [near for near in range(window, min(window + AHEAD, last) + 1) if near not in known.keyed]
    ask_again, show_again = (known.not_before.get(kind, 0) for kind in (AskKeys, ShowEnvelopes))
    if lacking and ask_again <= now:
        return AskKeys(lacking[0])
    waiting = missing_anywhere(state, spec, known)
    if showing := to_show(waiting, known, now):
        return showing
    return Wait(min([wait.until, *([ask_again] if lacking else []), *([show_again] if waiting else [])]))


def _in_round(state: TaskState, spec: TaskSpec, known: Knowledge, facts: RoundFacts, now: int) -> Move:
    number, opened = facts.number, facts.opened
    if now > opened.settle_until:
        return Expire(number)
    if unread := underived(state, known):
        return Rederive(unread)
    if known.unendorsed and now <= opened.commit_until and known.not_before.get(AskEndorsements, 0) <= now:
        return AskEndorsements(number)
    after = acts_after(state, known.server)
    waiting = awaited(state, spec, known)
    if now <= after and waiting and not known.told:
        return ShowTask()  # the authorities' word is at hand when this server has to take over
    if now <= after:
        return to_show(waiting, known, now) or Wait(min(after, opened.settle_until) + 1)
    plan = state.plan(number)
    if isinstance(plan, Absent):
        return Wait(opened.settle_until + 1)
    if facts.commits and now <= opened.commit_until:
        waits = _in_commit_phase(state, spec, known, facts, now)
        if waits is not None:
            return waits
    if not known.closed:
        return CommitBatch(number)  # no receipt for what cannot be in the batch any more
    return _after_commit_phase(state, spec, known, facts, now)


def _due_batch(state: TaskState, known: Knowledge, now: int) -> CommitBatch | None:
    """Before anything else: the server has given its word for it, with its bond."""
    owed, facts = owed_batch(state, known.server, known.submissions, now), state.current
    return CommitBatch(facts.number) if facts and owed and owed.batch_due <= now else None


def _in_commit_phase(state: TaskState, spec: TaskSpec, known: Knowledge, facts: RoundFacts, now: int) -> Move | None:
    """None once nobody has to be waited for."""
    opened, plan = facts.opened, state.plan(facts.number)
    assert not isinstance(plan, Absent)
    assert state.posted is not None
    cohort = frozenset(entry.client for entry in plan.weights)
    first, last = batch_window(state.posted.terms, opened.commit_until)
    if facts.batched is None and now <= last and not (known.closed and not known.submissions):
        expected = cohort - facts.directs.keys() - known.censored
        due = first if expected <= known.submissions else margins(spec, opened, state.times).batch_due
        return CommitBatch(facts.number) if now >= due else Wait(due)
    committed = state.committed(facts.number)
    everyone = not isinstance(committed, Absent) and cohort <= committed.keys()
    after = key_after(opened.commit_until, facts.batched.object_until if facts.batched else 0, everyone)
    return Wait(after + 1) if now <= after else None


def _after_commit_phase(state: TaskState, spec: TaskSpec, known: Knowledge, facts: RoundFacts, now: int) -> Move:
    number, end = facts.number, facts.opened.settle_until
    plan, committed = state.plan(number), state.committed(number)
    if isinstance(plan, Absent) or isinstance(committed, Absent):
        return Wait(end + 1)
    if isinstance(allocation_before(state, number), Absent):
        return Wait(end + 1)  # nobody can tell what everyone has earned
    verdict, requested = known.verdict, facts.requested
    if verdict is None or (requested is None and not fits(verdict, committed)):
        return before_verdict(state, spec, known, facts, now) if spec.screening.on else VerifyUpdates(number)
    may_be_opened = _is_quorum(plan, verdict) and may_request(state, spec, known, facts, now)
    if not known.summed and (requested is not None or (may_be_opened and not known.undecryptable)):
        return VerifyUpdates(number)
    if requested is None:
        in_time = now < margins(spec, facts.opened, state.times).publish_due
        if in_time and known.summed and not known.keyless and may_answer(state, spec) and may_be_opened:
            return RequestKey(number)
        if now <= facts.opened.commit_until:
            return Wait(facts.opened.commit_until + 1)
        return _settles(state, now, end) or Abandon(number)
    # whoever requested a key may have opened the sum: there is no way out any more but to publish it
    if known.undecryptable or not fits(verdict, committed):
        return Wait(end + 1)
    evidence = known.screened.evidence
    if not verdict.accepted or requested.request != key_request(plan, committed, verdict.accepted, evidence).digest():
        # the server before requested the key of another set
        return FollowRequest(number) if may_follow(plan, committed, state.request(number)) else Wait(end + 1)
    return (_settles(state, now, end) or Publish(number)) if known.opened else DecryptSum(number)


def _is_quorum(plan: RoundPlan, verdict: Verdict) -> bool:
    """Enough are accepted, and none of them is most of the sum."""
    weights = {entry.client: entry.weight for entry in plan.weights}
    try:
        check_quorum([weights[client] for client in verdict.accepted], plan.min_clients, plan.max_share_ppm)
    except EncryptionError:
        return False
    return True


def fits(verdict: Verdict, committed: Mapping[Address, SignedCommitment]) -> bool:
    """The verdict is of these commitments: the chain can take one back after it was decided."""
    return {*verdict.accepted, *(entry.client for entry in verdict.rejected)} == committed.keys()


def _settles(state: TaskState, now: int, end: int) -> Wait | None:
    """The ledger settles one round after the other: not before the last payout is beyond dispute."""
    payable = state.payable_from() or 0
    return Wait(min(payable, end + 1)) if now < payable else None


def _timed_blocks(state: TaskState) -> Iterator[int]:
    settled = state.last_settled()
    events = [state.taken_over, settled.settled if settled else None]
    return (event.block for event in events if event is not None)


def _unknown(state: TaskState, blocks: Iterable[int]) -> tuple[int, ...]:
    """Those whose times are not known."""
    return tuple(sorted(set(blocks) - state.times.keys()))
