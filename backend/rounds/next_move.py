"""What an edge server does next for a task: a pure function of chain, content, its own knowledge and the time.

Every wait is a returned deadline. Nothing here is a promise that the move succeeds: whoever performs it looks again
afterwards, so a server may be killed between any two moves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from backend.rounds.moves import (
    Abandon,
    AskKeys,
    CommitBatch,
    DecryptSum,
    End,
    Expire,
    Fetch,
    Knowledge,
    Move,
    OpenRound,
    Publish,
    ReadTimes,
    Rederive,
    RequestKey,
    ShowEnvelopes,
    ShowTask,
    VerifyUpdates,
    Wait,
)
from protocol.errors import EncryptionError
from protocol.identifiers import Address
from protocol.messages.chain import TaskPosted
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation, Verdict
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.round.eligibility import cohort_of
from protocol.round.key_request import check_quorum, key_request
from protocol.round.objection import batch_window, key_after
from protocol.round.windows import AHEAD, enrolment_window, first_round, window_of
from protocol.task.acting import NEVER, acts_after, rosters_until
from protocol.task.documents import Absent
from protocol.task.ending import is_over
from protocol.task.margins import Margins, margins, pace_blocks
from protocol.task.past import allocation_before, published, readable
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState

ASK_SECONDS: Final = 15  # that authorities may take to give their keys


def next_move(state: TaskState, known: Knowledge, now: int) -> Move:
    """``now``: seconds of block time."""
    move = _next(state, known, now)
    if isinstance(move, ShowEnvelopes):
        return move  # it has a patience of its own: one that is new is shown at once
    if isinstance(move, Wait):
        return _meanwhile(state, known, Wait(min(move.until, *known.underivable.values(), NEVER)), now)
    return Wait(known.not_before[type(move)]) if known.not_before.get(type(move), 0) > now else move


def candidates(state: TaskState) -> dict[Address, int] | Absent:
    """Whom the next round has to plan, with reputations."""
    spec, number = state.spec, len(state.rounds) + 1
    allocation = allocation_before(state, number)
    if isinstance(spec, Absent):
        return spec
    return allocation if isinstance(allocation, Absent) else cohort_of(state, spec, number, allocation)


def owed_batch(state: TaskState, server: Address, submissions: Collection[Address], now: int) -> Margins | None:
    """Those of the round whose batch ``server`` still owes the phones of these ``submissions``; None for no such."""
    facts, spec = state.current, state.spec
    if facts is None or isinstance(spec, Absent) or isinstance(state.plan(facts.number), Absent) or not submissions:
        return None
    last = facts.opened.commit_until - spec.durations.objection_seconds
    over = facts.batched is not None or facts.requested is not None or now > last
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
    return _between_rounds(state, posted, spec, known, now)


def _meanwhile(state: TaskState, known: Knowledge, wait: Wait, now: int) -> Move:
    """While nothing else is to be done: the keys to which phones seal now and later; then shares for every authority,
    before it erases what opens them."""
    spec = state.spec
    if isinstance(spec, Absent) or not known.told or is_over(state, now) or wait.until - now <= ASK_SECONDS:
        return wait
    length = spec.cohort.roster_rounds
    window, last = enrolment_window(len(state.rounds), length), window_of(spec.rounds, length)
    lacking = [near for near in range(window, min(window + AHEAD, last) + 1) if near not in known.keyed]
    ask_again, show_again = (known.not_before.get(kind, 0) for kind in (AskKeys, ShowEnvelopes))
    if lacking and ask_again <= now:
        return AskKeys(lacking[0])
    waiting = _unshown(state, known, len(spec.committee.members))
    if showing := _to_show(waiting, known, now):
        return showing
    return Wait(min([wait.until, *([ask_again] if lacking else []), *([show_again] if waiting else [])]))


def _between_rounds(state: TaskState, posted: TaskPosted, spec: TaskSpec, known: Knowledge, now: int) -> Move:
    if not known.told:
        return ShowTask()
    if unread := _underived(state, known):
        return Rederive(unread)
    waiting = _unshown(state, known, _enough(state, spec))
    if showing := _to_show(waiting, known, now):
        return showing
    again = known.not_before.get(ShowEnvelopes, NEVER) if waiting else NEVER
    if not state.rounds and now <= posted.enrol_until and len(state.enrolled) < posted.terms.max_clients:
        return Wait(min(again, posted.enrol_until + 1))
    after = acts_after(state, known.server)
    if now <= after:
        return Wait(min(again, after + 1))
    until = _rosters_awaited(state, posted, now)
    if until is not None:
        return Wait(min(again, until + 1))
    cohort = candidates(state)
    if isinstance(cohort, Absent) or len(cohort) < spec.cohort.min_clients:
        return Wait(min(again, posted.task_until + 1))
    return OpenRound(len(state.rounds) + 1, cohort)


def _rosters_awaited(state: TaskState, posted: TaskPosted, now: int) -> int | None:
    """The last instant at which one that is missing may still come; None when the next round waits for none."""
    window, until = enrolment_window(len(state.rounds), posted.terms.roster_rounds), rosters_until(posted, state.rounds)
    first = first_round(window, posted.terms.roster_rounds) == len(state.rounds) + 1
    all_here = len(state.rosters.get(window, {})) == len(posted.terms.authorities)
    return until if first and not all_here and now <= until else None


def _in_round(state: TaskState, spec: TaskSpec, known: Knowledge, facts: RoundFacts, now: int) -> Move:
    number, opened = facts.number, facts.opened
    if now > opened.settle_until:
        return Expire(number)
    if unread := _underived(state, known):
        return Rederive(unread)
    after = acts_after(state, known.server)
    waiting = _unshown(state, known, _enough(state, spec))
    if now <= after and waiting and not known.told:
        return ShowTask()  # the authorities' word is at hand when this server has to take over
    if now <= after:
        return _to_show(waiting, known, now) or Wait(min(after, opened.settle_until) + 1)
    plan = state.plan(number)
    if isinstance(plan, Absent):
        return Wait(opened.settle_until + 1)
    if facts.requested is None and now <= opened.commit_until:
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
    before = allocation_before(state, number)
    if not isinstance(before, Allocation):
        return Wait(end + 1)  # nobody can tell what everyone has earned
    verdict = known.verdict
    if verdict is None or (facts.requested is None and not fits(verdict, committed)):
        return VerifyUpdates(number)
    if not known.summed and not known.undecryptable:
        return VerifyUpdates(number)
    settling = _settles(state, now, end)
    try:
        if known.undecryptable or not fits(verdict, committed):
            raise EncryptionError("the sum cannot be decrypted")
        request = key_request(plan, committed, verdict.accepted)
        check_quorum([entry.weight for entry in request.entries], plan.min_clients, plan.max_share_ppm)
    except EncryptionError:
        if facts.requested is None and now <= facts.opened.commit_until:
            return Wait(facts.opened.commit_until + 1)
        return settling or Abandon(number)
    if facts.requested is None:
        return RequestKey(number)
    if facts.requested.request != request.digest():
        return settling or Abandon(number)  # the server before requested the key of another set
    if not known.decrypted:
        due = margins(spec, facts.opened, state.times).publish_due
        return DecryptSum(number) if now < due else settling or Abandon(number)
    return settling or Publish(number)


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


def _underived(state: TaskState, known: Knowledge) -> int:
    """A round of which something is withheld that others need: the last published or settled one, or its successor's
    index set; 0 for none."""
    numbers = [facts.number for facts in state.rounds if facts.ended is not None and published(state, facts.number)]
    settled, current = state.last_settled(), state.current
    withheld = [number for number in numbers[-1:] if not readable(state, number)]
    if settled is not None and isinstance(allocation_before(state, settled.number + 1), Absent):
        withheld.append(settled.number)
    if current is not None:
        plan, index_set = state.plan(current.number), state.index_set(current.number)
        withheld += [current.number] if isinstance(plan, RoundPlan) and isinstance(index_set, Absent) else []
    return next((number for number in withheld if number not in known.underivable), 0)


def _to_show(waiting: tuple[Address, ...], known: Knowledge, now: int) -> ShowEnvelopes | None:
    """Whoever is new at once; the others when an authority or an envelope that was away may be back."""
    new = tuple(client for client in waiting if client not in known.shown)
    if new or (waiting and known.not_before.get(ShowEnvelopes, 0) <= now):
        return ShowEnvelopes(new or waiting)
    return None


def _enough(state: TaskState, spec: TaskSpec) -> int:
    """Authorities for which a round waits: all before the first one, then a threshold."""
    return spec.committee.threshold if state.rounds else len(spec.committee.members)


def _unshown(state: TaskState, known: Knowledge, enough: int) -> tuple[Address, ...]:
    """Clients whose shares fewer than ``enough`` authorities have confirmed."""
    return tuple(
        client
        for client in sorted(state.enrolled)
        if client not in known.refused and client not in state.left and len(known.acceptances.get(client, ())) < enough
    )
