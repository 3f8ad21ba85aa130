"""The open tasks of one ledger, followed by its events, each held against one household."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from client_agent.binding import TaskBinding
from client_agent.offers import DataFacts, Obstacle, Offer, Reason, Seeker, by_worth
from client_agent.place import AccountBoundError, PlaceError, ReputationError, TaskFullError, require_place
from client_agent.policy import check_total
from client_agent.privacy.ledger import DataUse, Spending
from protocol.errors import HearthError, PolicyError, SpecError
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.messages.chain import Event, TaskPosted
from protocol.messages.following import NO_CLIENT
from protocol.messages.task import TaskSpec
from protocol.privacy.figure import PrivacyFigure, Unit
from protocol.privacy.mechanisms import has_guarantee
from protocol.privacy.spending import planned
from protocol.round.planning import check_terms
from protocol.round.windows import enrolment_window, first_round
from protocol.task.documents import Absent, Kind
from protocol.task.ending import is_over, task_over
from protocol.task.owner_limits import refusals
from protocol.task.runnable import check_runnable
from protocol.task.state import TaskState
from protocol.task.stopping import stopped_after
from protocol.task.work import work_of
from protocol.text import shown
from storage.content.interface import ContentStore
from storage.ledger.follower import EventFollower
from storage.ledger.interface import LedgerReader
from storage.task_reader import TaskReader

_SOME: Final = "some"  # data set: what a task costs one that nothing else was done with
_PLACES: Final = {
    TaskFullError: Reason.FULL,
    AccountBoundError: Reason.ACCOUNT,
    ReputationError: Reason.REPUTATION,
}


class OfferBook:
    """Reads on with every look, of all tasks what concerns the seeker: nobody else's enrolments. Not for threads."""

    def __init__(self, ledger: LedgerReader, store: ContentStore) -> None:
        self._ledger, self._store = ledger, store
        self._follow(NO_CLIENT)
        self._refused: dict[tuple[int, Digest], Obstacle | None] = {}  # by the spec alone, whoever asks
        self._figures: dict[tuple[DataUse, int, int, int], PrivacyFigure | None] = {}

    def look(self, seeker: Seeker) -> tuple[Offer, ...]:
        """Every task in which a round may still be opened, the best one first (:func:`by_worth`).

        One whose spec cannot be read is there, too, with that as its obstacle. Raises LedgerError, and
        StoreUnavailableError where the store as a whole cannot be asked.
        """
        if seeker.client != self._client:
            self._follow(seeker.client)
        self._follower.refresh()
        now, events = self._follower.now, defaultdict[int, list[Event]](list)
        for event in self._follower.events:
            events[getattr(event, "task", 0)].append(event)
        offers = list[Offer]()
        for task in sorted(events):
            reader = self._readers.setdefault(task, TaskReader(self._store, task, (Kind.SPEC,), self._client))
            reader.follow(events[task])
            state = reader.state
            if state.posted is None or is_over(state, now):
                continue
            reader.fetch(now)
            view = self._ledger.task(task)
            if stopped_after(reader.state) is None and not task_over(view, now):
                posted = reader.state.posted or state.posted
                offers.append(self._offer(reader.state, posted, view.enrolled, seeker, now))
        return tuple(sorted(offers, key=by_worth))

    def _follow(self, client: Address) -> None:
        self._client = client
        self._follower: EventFollower[Event] = EventFollower(self._ledger, None, Event, client=client)
        self._readers: dict[int, TaskReader] = {}

    def _offer(self, state: TaskState, posted: TaskPosted, enrolled: int, seeker: Seeker, now: int) -> Offer:
        spec, terms = state.spec, posted.terms
        first = first_round_for_newcomers(self._ledger, state, posted)
        rounds = max(0, state.total_rounds - first + 1)
        figure, obstacles = None, list[Obstacle]()
        if isinstance(spec, Absent):
            obstacles.append(Obstacle(Reason.SPEC, f"its spec is {spec.lack}", facts={"lack": spec.lack.value}))
        elif (refused := self._refusal(state.task, posted, spec)) is not None:
            obstacles.append(refused)
        else:
            exponent = seeker.policy.privacy.total_delta_exponent
            figure = self._figure(self._binding(state), spec, first, rounds, exponent)
            obstacles += self._obstacles(state, posted, spec, seeker, rounds, now)
        return Offer(
            domain=self._ledger.domain,
            task=state.task,
            spec=terms.spec,
            manufacturer=posted.manufacturer,
            terms=None if isinstance(spec, Absent) else spec,
            first_round=first,
            rounds=rounds,
            reward=rounds * (terms.participation + terms.contribution),
            token=terms.token,
            figure=figure,
            enrolled=enrolled,
            max_clients=terms.max_clients,
            enrol_until=state.enrol_until,
            task_until=posted.task_until,
            now=now,
            obstacles=tuple(obstacles),
        )

    def _binding(self, state: TaskState) -> TaskBinding:
        assert state.posted is not None  # it is offered
        return TaskBinding.of(self._ledger.domain, state.task, state.posted.terms.spec)

    def _refusal(self, task: int, posted: TaskPosted, spec: TaskSpec) -> Obstacle | None:
        key = task, posted.terms.spec
        if key not in self._refused:
            try:
                check_terms(posted.terms, spec)
                check_runnable(spec)
                self._refused[key] = None
            except HearthError as error:
                self._refused[key] = _obstacle(Reason.UNRUNNABLE, error)
        return self._refused[key]

    def _figure(
        self, binding: TaskBinding, spec: TaskSpec, first: int, rounds: int, exponent: int
    ) -> PrivacyFigure | None:
        ((mechanism, _),) = planned(spec, rounds).items()
        use = DataUse(_SOME, binding, ZERO_DIGEST, mechanism, spec.learning.bayesian)
        key = use, first, rounds, exponent
        if key not in self._figures:
            charged = Spending(charged={use: frozenset(range(first, first + rounds))})
            self._figures[key] = charged.figure(_SOME, exponent) if has_guarantee(mechanism) and rounds else None
        return self._figures[key]

    def _obstacles(
        self, state: TaskState, posted: TaskPosted, spec: TaskSpec, seeker: Seeker, rounds: int, now: int
    ) -> Iterator[Obstacle]:
        """The phone's own checks before it asks its owner, all of them. Raises LedgerError."""
        if seeker.client in state.enrolled:
            yield Obstacle(Reason.ENROLLED, "this account is in it already")
            return
        try:
            require_place(self._ledger, state.task, posted.terms, seeker.client, (), now)
        except PlaceError as error:
            yield _obstacle(_PLACES.get(type(error), Reason.OVER), error)
        if spec.vouchers.needed:
            yield Obstacle(Reason.VOUCHER, "it takes the invitation that came with an appliance: its code is a place")
        if not rounds:
            yield Obstacle(Reason.LATE, "whoever enrols now takes part from the next window on, and there is none")
        try:
            for refusal in refusals(seeker.policy, spec, self._ledger.domain, work_of(spec)):
                yield _obstacle(Reason.POLICY, refusal)
        except HearthError as error:  # of a spec that says of its work what nobody can count
            yield _obstacle(Reason.UNRUNNABLE, error)
        limits = seeker.policy.privacy
        afterwards = seeker.spending.with_task(seeker.data_set, self._binding(state), spec)
        try:
            check_total(limits, afterwards.figure(seeker.data_set, limits.total_delta_exponent))
        except PolicyError as error:
            yield _obstacle(Reason.PRIVACY, error)
        if seeker.data is not None:
            yield from _of_data(spec, seeker.data)


def first_round_for_newcomers(ledger: LedgerReader, state: TaskState, posted: TaskPosted) -> int:
    """The first one of a window whose rosters are still open: they close before it begins. Raises LedgerError."""
    opened, window_rounds = len(state.rounds), posted.terms.roster_rounds
    window = enrolment_window(opened, window_rounds)
    closed = opened % window_rounds != 0 or any(
        ledger.bond(state.task, authority).rosters > window for authority in posted.terms.authorities
    )
    return first_round(window + closed, window_rounds)


def _of_data(spec: TaskSpec, data: DataFacts) -> Iterator[Obstacle]:
    model, labels, most = spec.model, data.classes, spec.schedule.max_examples
    if data.shape != model.input_shape:
        asked, yours = _shape(model.input_shape), _shape(data.shape)
        text = f"it takes inputs of shape {asked}, and yours are of {yours}"
        yield Obstacle(Reason.DATA, text, facts={"asked": asked, "yours": yours})
    elif not model.predicts_number and (labels is None or labels > model.classes):
        text = f"it takes labels from 0 to {model.classes - 1}, and yours"
        own = {} if labels is None else {"yours": labels - 1}
        text += " are none" if labels is None else f" go up to {labels - 1}"
        yield Obstacle(Reason.LABELS, text, facts={"most": model.classes - 1, **own})
    if spec.learning.mechanism.unit == Unit.APPLIANCE and not data.by_appliance:
        yield Obstacle(Reason.APPLIANCES, "it protects appliances, and your examples do not say which one each is of")
    if not data.examples:
        yield Obstacle(Reason.EXAMPLES, "this household has no examples yet")
    elif data.examples > most:
        text = f"it takes {most} examples from one household, and you have {data.examples}"
        yield Obstacle(Reason.TOO_MANY, text, facts={"most": most, "yours": data.examples})


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _obstacle(reason: Reason, error: HearthError) -> Obstacle:
    line, facts = "", dict[str, int | str]()
    match error:
        case PolicyError():
            line, facts = error.line, {"asked": error.asked, "allowed": error.allowed}
        case SpecError():
            line = error.line
        case PlaceError():
            facts = {**error.facts}
    return Obstacle(reason, shown(str(error.args[0])), line, facts)
